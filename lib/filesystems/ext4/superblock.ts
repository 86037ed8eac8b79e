/** The superblock at byte 1024. Source: Documentation/filesystems/ext4/super.rst. */
import { updateCrc32c } from "../../bytes/crc32c.ts";
import { epochOf } from "./attributes.ts";
import {
  BLOCKS_PER_GROUP,
  COMPAT,
  DESCRIPTOR_BYTES,
  FIRST_INODE,
  INCOMPAT,
  INODE_BYTES,
  ONE_FLEX_GROUP,
  RO_COMPAT,
  SUPERBLOCK_BYTES,
  SUPERBLOCK_MAGIC,
  SUPERBLOCK_OFFSET,
} from "./format.ts";
import type { Ext4Layout } from "./layout.ts";

/** log2(BLOCK_BYTES) - 10 */
const LOG_BLOCK_SIZE = 2;
const NEVER_CHECK = 0xffff;
const HALF_MD4 = 1;
/** Name bytes are hashed unsigned; without it each CPU's own `char` decides. */
const UNSIGNED_HASH = 2;
const CRC32C_CHECKSUMS = 1;
const EXTRA_INODE_BYTES = 32;

/** Block 0; `out` is zeroed. */
export function encodeSuperblock(layout: Ext4Layout, out: Uint8Array): void {
  const bytes = out.subarray(SUPERBLOCK_OFFSET, SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u16 = (offset: number, value: number) => view.setUint16(offset, value, true);
  const u32 = (offset: number, value: number) => view.setUint32(offset, value, true);
  putCounts(layout, u32);
  u32(0x18, LOG_BLOCK_SIZE);
  u32(0x1c, LOG_BLOCK_SIZE);
  u32(0x20, BLOCKS_PER_GROUP);
  u32(0x24, BLOCKS_PER_GROUP);
  u16(0x36, NEVER_CHECK);
  u16(0x38, SUPERBLOCK_MAGIC);
  u16(0x3a, 1); // s_state: clean
  u16(0x3c, 1); // s_errors: continue
  u32(0x4c, 1); // s_rev_level: dynamic
  u32(0x54, FIRST_INODE);
  u16(0x58, INODE_BYTES);
  putFeatures(layout, u32);
  bytes.set(layout.uuid, 0x68);
  bytes.set(layout.label, 0x78);
  view.setUint8(0xfc, HALF_MD4);
  u16(0xfe, DESCRIPTOR_BYTES);
  u16(0x15c, EXTRA_INODE_BYTES);
  u16(0x15e, EXTRA_INODE_BYTES);
  u32(0x160, UNSIGNED_HASH);
  view.setUint8(0x174, ONE_FLEX_GROUP);
  view.setUint8(0x175, CRC32C_CHECKSUMS);
  putTimes(layout, view);
  u32(0x3fc, updateCrc32c(0xffffffff, bytes.subarray(0, 0x3fc)));
}

type Put = (offset: number, value: number) => void;

function putCounts({ geometry }: Ext4Layout, u32: Put): void {
  const { groupCount, inodesPerGroup, lastInode, blockCount, used } = geometry;
  u32(0x00, groupCount * inodesPerGroup);
  u32(0x04, blockCount);
  u32(0x0c, blockCount - used);
  u32(0x10, groupCount * inodesPerGroup - lastInode);
  u32(0x28, inodesPerGroup);
  u32(0x248, geometry.directories); // s_overhead_clusters
}

function putFeatures({ hasHashTrees }: Ext4Layout, u32: Put): void {
  u32(0x5c, COMPAT.EXT_ATTR | COMPAT.SPARSE_SUPER2 | (hasHashTrees ? COMPAT.DIR_INDEX : 0));
  u32(0x60, INCOMPAT.FILETYPE | INCOMPAT.EXTENTS | INCOMPAT.BIT64 | INCOMPAT.FLEX_BG);
  u32(0x64, Object.values(RO_COMPAT).reduce((all, flag) => all | flag, 0));
}

/** s_wtime, s_lastcheck and s_mkfs_time with bits 32 to 39; s_mtime stays 0: never mounted. */
function putTimes(layout: Ext4Layout, view: DataView): void {
  const epoch = Math.max(0, epochOf(layout));
  for (const [low, high] of [[0x30, 0x274], [0x108, 0x276], [0x40, 0x277]] as const) {
    view.setUint32(low, epoch >>> 0, true);
    view.setUint8(high, Math.floor(epoch / 2 ** 32));
  }
}
