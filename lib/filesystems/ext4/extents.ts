/**
 * Extent trees of one contiguous run: up to four extents of 128 MiB in the inode, else blocks with 340
 * extents each, up to four of them (170 GiB), else blocks that point at 340 such blocks each.
 *
 *     header: u16 magic, u16 entries, u16 max, u16 depth, u32 generation
 *     extent: u32 logical block, u16 length, u16 start high, u32 start low
 *     index:  u32 logical block, u32 block low, u16 block high, u16 0
 *
 * Source: Documentation/filesystems/ext4/ifork.rst.
 */
import { updateCrc32c } from "../../bytes/crc32c.ts";
import {
  BLOCK_BYTES,
  EXTENT_BLOCKS,
  EXTENT_ENTRY_BYTES,
  EXTENT_MAGIC,
  EXTENTS_IN_INODE,
  EXTENTS_IN_NODE,
} from "./format.ts";
import type { Ext4Inode } from "./walk.ts";

const LEAF_BLOCKS = EXTENTS_IN_NODE * EXTENT_BLOCKS;

/** What the tree of one run consists of; two inner blocks reach further than 32-bit block numbers. */
interface ExtentTree {
  readonly extents: number;
  /** Blocks of extents; 0 when the inode has them all. */
  readonly leaves: number;
  /** Blocks between the inode and the leaves. */
  readonly inner: number;
}

function extentTree(blockCount: number): ExtentTree {
  const extents = Math.ceil(blockCount / EXTENT_BLOCKS);
  const leaves = extents <= EXTENTS_IN_INODE ? 0 : Math.ceil(extents / EXTENTS_IN_NODE);
  const inner = leaves <= EXTENTS_IN_INODE ? 0 : Math.ceil(leaves / EXTENTS_IN_NODE);
  return { extents, leaves, inner };
}

/** Blocks of the extent tree of a run of that many blocks, besides what is in the inode. */
export function extentNodeCount(blockCount: number): number {
  const { leaves, inner } = extentTree(blockCount);
  return inner + leaves;
}

/** The root of `inode`'s tree at `offset`; the bytes are zeroed. */
export function encodeExtentRoot(inode: Ext4Inode, view: DataView, offset: number): void {
  const { extents, leaves, inner } = extentTree(inode.blockCount);
  if (leaves === 0) {
    putHeader(view, offset, extents, EXTENTS_IN_INODE, 0);
    putExtents(inode, view, offset, 0, extents);
  } else if (inner === 0) {
    putHeader(view, offset, leaves, EXTENTS_IN_INODE, 1);
    putIndexes(view, offset, leaves, inode.nodeBlock, 0, LEAF_BLOCKS);
  } else {
    putHeader(view, offset, inner, EXTENTS_IN_INODE, 2);
    putIndexes(view, offset, inner, inode.nodeBlock, 0, LEAF_BLOCKS * EXTENTS_IN_NODE);
  }
}

/** Block `node` of `inode`'s tree, inner ones first, with its checksum; `out` is zeroed. */
export function encodeExtentNode(
  inode: Ext4Inode,
  node: number,
  seed: number,
  out: Uint8Array,
): void {
  const view = new DataView(out.buffer, out.byteOffset, BLOCK_BYTES);
  const { extents, leaves, inner } = extentTree(inode.blockCount);
  const isLeaf = node >= inner;
  const first = (isLeaf ? node - inner : node) * EXTENTS_IN_NODE;
  const count = Math.min(EXTENTS_IN_NODE, (isLeaf ? extents : leaves) - first);
  putHeader(view, 0, count, EXTENTS_IN_NODE, isLeaf ? 0 : 1);
  if (isLeaf) putExtents(inode, view, 0, first, count);
  else putIndexes(view, 0, count, inode.nodeBlock + inner + first, first, LEAF_BLOCKS);
  view.setUint32(BLOCK_BYTES - 4, updateCrc32c(seed, out.subarray(0, BLOCK_BYTES - 4)), true);
}

function putHeader(
  view: DataView,
  offset: number,
  entries: number,
  max: number,
  depth: number,
): void {
  view.setUint16(offset, EXTENT_MAGIC, true);
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
    const entry = offset + EXTENT_ENTRY_BYTES * (i + 1);
    const logical = (first + i) * EXTENT_BLOCKS;
    view.setUint32(entry, logical, true);
    view.setUint16(entry + 4, Math.min(EXTENT_BLOCKS, blockCount - logical), true);
    view.setUint32(entry + 8, startBlock + logical, true);
  }
}

/** Entries for blocks that follow each other from `block` on, each with `reachBlocks` of the file. */
function putIndexes(
  view: DataView,
  offset: number,
  count: number,
  block: number,
  first: number,
  reachBlocks: number,
): void {
  for (let i = 0; i < count; i++) {
    const entry = offset + EXTENT_ENTRY_BYTES * (i + 1);
    view.setUint32(entry, (first + i) * reachBlocks, true);
    view.setUint32(entry + 4, block + i, true);
  }
}
