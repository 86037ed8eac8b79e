/**
 * Which block of the image holds which block of a file: extent trees, and the direct and indirect
 * blocks of ext2.
 *
 * Every step down an extent tree must lower the depth and stay inside the parent's range, so a look-up
 * ends after at most five blocks whatever they hold.
 *
 * Source: Documentation/filesystems/ext4/ifork.rst and blockmap.rst.
 */
import { updateCrc32c } from "../../bytes/crc32c.ts";
import { damaged } from "../damaged.ts";
import { EXTENT_BLOCKS, EXTENT_ENTRY_BYTES, EXTENT_MAGIC, INODE_FLAG } from "./format.ts";
import type { ReadInode } from "./read_inode.ts";
import type { Ext4Space } from "./read_space.ts";

/** Blocks of a file that follow each other in the image; a hole or unwritten when `block` is missing. */
export interface BlockRun {
  readonly logical: number;
  readonly count: number;
  readonly block: number | undefined;
}

/** EXT4_MAX_EXTENT_DEPTH */
const MAX_DEPTH = 5;
/** Logical block numbers are 32 bits. */
const LOGICAL_END = 2 ** 32;
const DIRECT_BLOCKS = 12;

/** The run of `inode` that starts at block `logical` of the file. */
export async function findRun(
  space: Ext4Space,
  inode: ReadInode,
  logical: number,
): Promise<BlockRun> {
  const action = `Read the blocks of ext4 inode ${inode.ref}`;
  if (logical >= LOGICAL_END) throw damaged(action, `block ${logical} is beyond 2^32`);
  const run = inode.flags & INODE_FLAG.EXTENTS
    ? await findExtent(action, space, inode, logical)
    : await findIndirect(action, space, inode, logical);
  if (run.block !== undefined) space.check(action, run.block, run.count);
  return run;
}

async function findExtent(
  action: string,
  space: Ext4Space,
  inode: ReadInode,
  logical: number,
): Promise<BlockRun> {
  let node = inode.payload;
  let [from, to] = [0, LOGICAL_END];
  let depth = -1;
  for (;;) {
    const view = new DataView(node.buffer, node.byteOffset, node.byteLength);
    const found = view.getUint16(6, true);
    const entries = view.getUint16(2, true);
    if (view.getUint16(0, true) !== EXTENT_MAGIC) {
      throw damaged(action, "an extent node has no magic");
    }
    if (depth < 0 ? found > MAX_DEPTH : found !== depth - 1) {
      throw damaged(action, `an extent node is of depth ${found}`);
    }
    depth = found;
    if (EXTENT_ENTRY_BYTES * (entries + 1) > node.length) {
      throw damaged(action, `an extent node has ${entries} entries`);
    }
    const slot = lastAtMost(action, view, entries, logical, from, to);
    const next = slot + 1 < entries ? keyAt(view, slot + 1) : to;
    if (slot < 0) return { logical, count: next - logical, block: undefined };
    if (depth === 0) return extentAt(action, view, slot, logical, next);
    const at = EXTENT_ENTRY_BYTES * (slot + 1);
    const block = view.getUint32(at + 4, true) + view.getUint16(at + 8, true) * 2 ** 32;
    node = await space.block(action, block);
    verifyNode(action, inode, node);
    [from, to] = [keyAt(view, slot), next];
  }
}

function keyAt(view: DataView, slot: number): number {
  return view.getUint32(EXTENT_ENTRY_BYTES * (slot + 1), true);
}

/** The last slot whose key is at most `logical`, or -1; keys must rise and stay in [from, to). */
function lastAtMost(
  action: string,
  view: DataView,
  entries: number,
  logical: number,
  from: number,
  to: number,
): number {
  let slot = -1;
  let before = from - 1;
  for (let i = 0; i < entries; i++) {
    const key = keyAt(view, i);
    if (key <= before || key >= to) throw damaged(action, `an extent starts at block ${key}`);
    before = key;
    if (key <= logical) slot = i;
  }
  return slot;
}

function extentAt(
  action: string,
  view: DataView,
  slot: number,
  logical: number,
  next: number,
): BlockRun {
  const at = EXTENT_ENTRY_BYTES * (slot + 1);
  const raw = view.getUint16(at + 4, true);
  const unwritten = raw > EXTENT_BLOCKS;
  const length = unwritten ? raw - EXTENT_BLOCKS : raw;
  const first = keyAt(view, slot);
  if (length === 0 || first + length > next) {
    throw damaged(action, `the extent at block ${first} has ${length} blocks`);
  }
  const skip = logical - first;
  if (skip >= length) return { logical, count: next - logical, block: undefined };
  const start = view.getUint32(at + 8, true) + view.getUint16(at + 6, true) * 2 ** 32;
  return { logical, count: length - skip, block: unwritten ? undefined : start + skip };
}

/** The checksum follows the room for entries, which need not end with the block. */
function verifyNode(action: string, inode: ReadInode, node: Uint8Array): void {
  if (inode.checksumSeed === undefined) return;
  const view = new DataView(node.buffer, node.byteOffset, node.byteLength);
  const tail = EXTENT_ENTRY_BYTES * (view.getUint16(4, true) + 1);
  if (tail + 4 > node.length) throw damaged(action, "an extent node has no checksum");
  const computed = updateCrc32c(inode.checksumSeed, node.subarray(0, tail));
  if (computed !== view.getUint32(tail, true)) {
    throw damaged(action, "the checksum of an extent node is wrong");
  }
}

/** Twelve blocks in the inode, then one, two and three levels of blocks full of block numbers. */
async function findIndirect(
  action: string,
  space: Ext4Space,
  inode: ReadInode,
  logical: number,
): Promise<BlockRun> {
  const perBlock = space.superblock.blockBytes / 4;
  const root = new DataView(inode.payload.buffer, inode.payload.byteOffset);
  if (logical < DIRECT_BLOCKS) return runOf(root, logical, DIRECT_BLOCKS, logical);
  let rest = logical - DIRECT_BLOCKS;
  for (let level = 1; level <= 3; level++) {
    const covered = perBlock ** level;
    if (rest >= covered) {
      rest -= covered;
      continue;
    }
    let block = root.getUint32(4 * (DIRECT_BLOCKS + level - 1), true);
    for (let below = covered; block !== 0; rest %= below) {
      const view = new DataView((await space.block(action, block)).buffer);
      if (below === perBlock) return runOf(view, rest, perBlock, logical);
      below /= perBlock;
      block = view.getUint32(4 * Math.floor(rest / below), true);
      if (block === 0) return { logical, count: below - (rest % below), block: undefined };
    }
    return { logical, count: covered - rest, block: undefined };
  }
  throw damaged(action, `block ${logical} is beyond three levels`);
}

/** Neighbours from slot `first` on, or holes. */
function runOf(view: DataView, first: number, slots: number, logical: number): BlockRun {
  const start = view.getUint32(4 * first, true);
  let count = 1;
  for (; first + count < slots; count++) {
    const expected = start === 0 ? 0 : start + count;
    if (view.getUint32(4 * (first + count), true) !== expected) break;
  }
  return { logical, count, block: start === 0 ? undefined : start };
}
