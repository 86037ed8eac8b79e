/**
 * Numbers of the EROFS on-disk format. Source: fs/erofs/erofs_fs.h of the kernel (MIT in erofs-utils'
 * include/erofs_fs.h) and Documentation/filesystems/erofs.rst.
 */
export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_BYTES = 128;
export const SUPERBLOCK_MAGIC = 0xe0f5e1e2;

export const COMPAT = {
  SUPERBLOCK_CHECKSUM: 0x1,
  SHARED_XATTRS_IN_METABOX: 0x8,
  PLAIN_XATTR_PREFIXES: 0x10,
} as const;

export const INCOMPAT = {
  ZERO_PADDING: 0x1,
  COMPRESSION_CONFIGS: 0x2,
  CHUNKED_FILE: 0x4,
  /** Shared with DEVICE_TABLE: `extra_devices` tells them apart. */
  SECOND_HEAD: 0x8,
  TAIL_PACKING: 0x10,
  /** Shared with DEDUPE. */
  FRAGMENTS: 0x20,
  XATTR_PREFIXES: 0x40,
  BIT48: 0x80,
  METABOX: 0x100,
} as const;
export const KNOWN_INCOMPAT = 0x1ff;

export const INODE_SLOT_BYTES = 32;
export const COMPACT_INODE_BYTES = 32;
export const EXTENDED_INODE_BYTES = 64;

/** The start block of flat data that is one hole. */
export const NULL_BLOCK = 2 ** 48 - 1;

/** i_format bits 1 to 3. */
export const LAYOUT = {
  FLAT_PLAIN: 0,
  COMPRESSED_FULL: 1,
  FLAT_INLINE: 2,
  COMPRESSED_COMPACT: 3,
  CHUNKED: 4,
} as const;

/** h_advise of a compressed inode; EXTENTS is COMPACTED_2B's bit in layout COMPRESSED_FULL. */
export const ADVISE = {
  COMPACTED_2B: 0x1,
  EXTENTS: 0x1,
  BIG_HEAD1: 0x2,
  BIG_HEAD2: 0x4,
  INLINE_TAIL: 0x8,
  INTERLACED: 0x10,
  FRAGMENT_TAIL: 0x20,
} as const;

export const LCLUSTER = { PLAIN: 0, HEAD1: 1, NONHEAD: 2, HEAD2: 3 } as const;
/** Set in the first non-head record of a pcluster: the other bits count its blocks. */
export const BLOCK_COUNT_FLAG = 1 << 11;

/** Largest physical cluster as it is stored: Z_EROFS_PCLUSTER_MAX_SIZE. */
export const MAX_STORED_BYTES = 1 << 20;
/** Largest decoded physical cluster: Z_EROFS_PCLUSTER_MAX_DSIZE. */
export const MAX_DECODED_BYTES = 12 << 20;
/** Largest index of one file that is read: with clusters of 4 KiB 4 GiB of data in the full form. */
export const MAX_INDEX_BYTES = 8 << 20;
/** Largest directory that is read. */
export const MAX_DIRECTORY_BYTES = 32 << 20;
