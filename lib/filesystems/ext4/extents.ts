/**
 * Extent trees of one contiguous run: up to four extents of 128 MiB in the inode, else one level of
 * blocks with 340 extents each, which reaches 170 TiB.
 *
 *     header: u16 magic, u16 entries, u16 max, u16 depth, u32 generation
 *     extent: u32 logical block, u16 length, u16 start high, u32 start low
 *     index:  u32 logical block, u32 block low, u16 block high, u16 0
 *
 * Source: Documentation/filesystems/ext4/ifork.rst.
 */
import { updateCrc32c } from "../../bytes/crc32c.ts";
import { BLOCK_BYTES, EXTENT_BLOCKS, EXTENTS_IN_INODE, EXTENTS_IN_NODE } from "./format.ts";
import { extentCount, extentNodeCount } from "./layout.ts";
import type { Ext4Inode } from "./walk.ts";

const MAGIC = 0xf30a;
const ENTRY_BYTES = 12;
const NODE_BLOCKS = EXTENTS_IN_NODE * EXTENT_BLOCKS;

/** The root of `inode`'s tree at `offset`; the bytes are zeroed. */
export function encodeExtentRoot(inode: Ext4Inode, view: DataView, offset: number): void {
  const nodes = extentNodeCount(inode.blockCount);
  if (nodes === 0) {
    const extents = extentCount(inode.blockCount);
    putHeader(view, offset, extents, EXTENTS_IN_INODE, 0);
    putExtents(inode, view, offset, 0, extents);
    return;
  }
  putHeader(view, offset, nodes, EXTENTS_IN_INODE, 1);
  for (let node = 0; node < nodes; node++) {
    const entry = offset + ENTRY_BYTES * (node + 1);
    view.setUint32(entry, node * NODE_BLOCKS, true);
    view.setUint32(entry + 4, inode.nodeBlock + node, true);
  }
}

/** Block `node` of `inode`'s tree with its checksum; `out` is zeroed. */
export function encodeExtentNode(
  inode: Ext4Inode,
  node: number,
  seed: number,
  out: Uint8Array,
): void {
  const view = new DataView(out.buffer, out.byteOffset, BLOCK_BYTES);
  const first = node * EXTENTS_IN_NODE;
  const count = Math.min(EXTENTS_IN_NODE, extentCount(inode.blockCount) - first);
  putHeader(view, 0, count, EXTENTS_IN_NODE, 0);
  putExtents(inode, view, 0, first, count);
  view.setUint32(BLOCK_BYTES - 4, updateCrc32c(seed, out.subarray(0, BLOCK_BYTES - 4)), true);
}

function putHeader(
  view: DataView,
  offset: number,
  entries: number,
  max: number,
  depth: number,
): void {
  view.setUint16(offset, MAGIC, true);
  view.setUint16(offset + 2, entries, true);
  view.setUint16(offset + 4, max, true);
  view.setUint16(offset + 6, depth, true);
}

/** Block numbers stay below 2^32, so their high halves are zero. */
function putExtents(
  { startBlock, blockCount }: Ext4Inode,
  view: DataView,
  offset: number,
  first: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    const entry = offset + ENTRY_BYTES * (i + 1);
    const logical = (first + i) * EXTENT_BLOCKS;
    view.setUint32(entry, logical, true);
    view.setUint16(entry + 4, Math.min(EXTENT_BLOCKS, blockCount - logical), true);
    view.setUint32(entry + 8, startBlock + logical, true);
  }
}
