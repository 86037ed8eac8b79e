/**
 * Numbers of the ext4 on-disk format, and the one profile of it we write.
 *
 * Source: Documentation/filesystems/ext4/ of the kernel; fs/ext4/ext4.h, fs/ext4/xattr.h.
 */

export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_BYTES = 1024;
export const SUPERBLOCK_MAGIC = 0xef53;

/** 4096 mounts with every page size of Linux. */
export const BLOCK_BYTES = 4096;
export const BLOCKS_PER_GROUP = BLOCK_BYTES * 8;
export const INODE_BYTES = 256;
export const INODES_PER_BLOCK = BLOCK_BYTES / INODE_BYTES;
export const DESCRIPTOR_BYTES = 64;

export const ROOT_INODE = 2;
/** Inodes 1 to 10 are reserved. */
export const FIRST_INODE = 11;

/** s_log_groups_per_flex: one flexible group, so that all metadata may lie at the front. */
export const ONE_FLEX_GROUP = 31;

export const COMPAT = { EXT_ATTR: 0x8, DIR_INDEX: 0x20, SPARSE_SUPER2: 0x200 } as const;
/** Those that are written, and those that change how an image is read. */
export const INCOMPAT = {
  FILETYPE: 0x2,
  META_BG: 0x10,
  EXTENTS: 0x40,
  BIT64: 0x80,
  FLEX_BG: 0x200,
  EA_INODE: 0x400,
  CSUM_SEED: 0x2000,
  INLINE_DATA: 0x8000,
} as const;
/** Those that are written. */
export const RO_COMPAT = {
  LARGE_FILE: 0x2,
  HUGE_FILE: 0x8,
  DIR_NLINK: 0x20,
  EXTRA_ISIZE: 0x40,
  METADATA_CSUM: 0x400,
  READONLY: 0x1000,
} as const;

/** i_flags that matter here (fs/ext4/ext4.h, EXT4_*_FL). */
export const INODE_FLAG = {
  ENCRYPTED: 0x800,
  INDEX: 0x1000,
  EXTENTS: 0x80000,
  EA_INODE: 0x200000,
  INLINE_DATA: 0x10000000,
} as const;

/** Bytes of i_block: extent root, link text or device numbers. */
export const INODE_PAYLOAD_BYTES = 60;
/** A longer target needs a block: the kernel keeps one byte of i_block for a NUL. */
export const FAST_SYMLINK_BYTES = INODE_PAYLOAD_BYTES - 1;

export const EXTENT_MAGIC = 0xf30a;
export const EXTENT_ENTRY_BYTES = 12;
/** Longer lengths mean "allocated but unwritten". */
export const EXTENT_BLOCKS = 32768;
export const EXTENTS_IN_INODE = 4;
/** (4096 - header 12 - checksum 4) / 12 */
export const EXTENTS_IN_NODE = 340;

/** The checksum entry at the end of every directory leaf, and its file type. */
export const TAIL_BYTES = 12;
export const TAIL_TYPE = 0xde;
export const LEAF_BYTES = BLOCK_BYTES - TAIL_BYTES;
/** `.` and `..` with 12 bytes each. */
export const DOTS_BYTES = 24;
/** A directory that needs more blocks than this gets a hash tree. */
export const LINEAR_BLOCKS = 8;
/** Slots of the hash tree's root and of its inner nodes: (4096 - 0x20 - 8) / 8, (4096 - 8 - 8) / 8. */
export const ROOT_SLOTS = 507;
export const NODE_SLOTS = 510;

/** fs/ext4/ext4.h: EXT4_LINK_MAX. */
export const LINK_MAX = 65000;

/** st_mode type bits and directory entry file types (fs/ext4/ext4.h, EXT4_FT_*). */
export const KINDS = {
  "file": { modeBits: 0o100000, entryType: 1 },
  "directory": { modeBits: 0o040000, entryType: 2 },
  "character-device": { modeBits: 0o020000, entryType: 3 },
  "block-device": { modeBits: 0o060000, entryType: 4 },
  "fifo": { modeBits: 0o010000, entryType: 5 },
  "socket": { modeBits: 0o140000, entryType: 6 },
  "symlink": { modeBits: 0o120000, entryType: 7 },
} as const;
