/**
 * Directory blocks: leaves with entries, and the inner blocks of hash trees.
 *
 *     entry: u32 inode, u16 record length, u8 name length, u8 file type, name
 *
 * The last entry of a leaf stretches to the checksum entry in the last 12 bytes.
 * Source: Documentation/filesystems/ext4/directory.rst.
 */
import { updateCrc32c } from "../../bytes/crc32c.ts";
import { inodeSeed } from "./checksums.ts";
import { type DirectoryPlan, direntBytes, type HashedPlan } from "./directory_plan.ts";
import {
  BLOCK_BYTES,
  DOTS_BYTES,
  KINDS,
  LEAF_BYTES,
  NODE_SLOTS,
  ROOT_SLOTS,
  TAIL_BYTES,
  TAIL_TYPE,
} from "./format.ts";
import type { Ext4Layout } from "./layout.ts";
import type { Ext4Inode } from "./walk.ts";

const HALF_MD4 = 1;
const ROOT_INFO_BYTES = 8;
const ROOT_ENTRIES_OFFSET = 0x20;
const NODE_ENTRIES_OFFSET = 8;
const DOT_BYTES = DOTS_BYTES / 2;

/** Block `logical` of a directory; `out` is zeroed. */
export function encodeDirectoryBlock(
  layout: Ext4Layout,
  inode: Ext4Inode,
  logical: number,
  out: Uint8Array,
): void {
  const plan = layout.plans.get(inode)!;
  const view = new DataView(out.buffer, out.byteOffset, BLOCK_BYTES);
  const seed = inodeSeed(layout.checksumSeed, inode.number);
  const { hashed } = plan;
  const inner = hashed === undefined ? 0 : 1 + hashed.nodeCount;
  if (hashed !== undefined && logical === 0) {
    putDots(view, inode, BLOCK_BYTES - DOT_BYTES);
    encodeRoot(plan, hashed, view, seed, out);
  } else if (hashed !== undefined && logical < inner) {
    encodeNode(plan, hashed, logical - 1, view, seed, out);
  } else {
    encodeLeaf(layout, inode, plan, logical - inner, view, out);
    view.setUint16(LEAF_BYTES + 4, TAIL_BYTES, true);
    view.setUint8(LEAF_BYTES + 7, TAIL_TYPE);
    view.setUint32(BLOCK_BYTES - 4, updateCrc32c(seed, out.subarray(0, LEAF_BYTES)), true);
  }
}

/** `.` and `..`, the latter with the given record length. */
function putDots(view: DataView, inode: Ext4Inode, lastRecordBytes: number): void {
  putEntry(view, 0, inode.number, DOT_BYTES, 1, KINDS.directory.entryType);
  view.setUint8(8, 0x2e);
  const parent = inode.directory!.parentNumber;
  putEntry(view, DOT_BYTES, parent, lastRecordBytes, 2, KINDS.directory.entryType);
  view.setUint16(DOT_BYTES + 8, 0x2e2e, true);
}

function putEntry(
  view: DataView,
  offset: number,
  inodeNumber: number,
  recordBytes: number,
  nameLength: number,
  entryType: number,
): void {
  view.setUint32(offset, inodeNumber, true);
  view.setUint16(offset + 4, recordBytes, true);
  view.setUint8(offset + 6, nameLength);
  view.setUint8(offset + 7, entryType);
}

function encodeLeaf(
  layout: Ext4Layout,
  inode: Ext4Inode,
  plan: DirectoryPlan,
  leaf: number,
  view: DataView,
  out: Uint8Array,
): void {
  const { dirents } = layout;
  const { firstDirent, direntCount } = inode.directory!;
  const end = plan.leafStarts[leaf + 1] ?? direntCount;
  const withDots = plan.hashed === undefined && leaf === 0;
  let offset = withDots ? DOTS_BYTES : 0;
  let lastOffset = withDots ? DOT_BYTES : 0;
  if (withDots) putDots(view, inode, DOT_BYTES);
  for (let i = plan.leafStarts[leaf]!; i < end; i++) {
    const index = firstDirent + (plan.hashed?.order[i] ?? i);
    const nameLength = dirents.nameLength(index);
    const recordBytes = direntBytes(nameLength);
    const entryType = dirents.entryType(index);
    putEntry(view, offset, dirents.inode(index), recordBytes, nameLength, entryType);
    out.set(dirents.name(index), offset + 8);
    lastOffset = offset;
    offset += recordBytes;
  }
  view.setUint16(lastOffset + 4, LEAF_BYTES - lastOffset, true);
}

function encodeRoot(
  plan: DirectoryPlan,
  hashed: HashedPlan,
  view: DataView,
  seed: number,
  out: Uint8Array,
): void {
  view.setUint8(0x1c, HALF_MD4);
  view.setUint8(0x1d, ROOT_INFO_BYTES);
  view.setUint8(0x1e, hashed.nodeCount > 0 ? 1 : 0);
  const children = hashed.nodeCount || plan.leafStarts.length;
  const leavesPerChild = hashed.nodeCount > 0 ? NODE_SLOTS : 1;
  putSlots(view, ROOT_ENTRIES_OFFSET, ROOT_SLOTS, children, (i) => ({
    key: hashed.leafKeys[i * leavesPerChild]!,
    block: 1 + i,
  }));
  putSlotsChecksum(view, ROOT_ENTRIES_OFFSET, children, seed, out);
}

function encodeNode(
  plan: DirectoryPlan,
  hashed: HashedPlan,
  node: number,
  view: DataView,
  seed: number,
  out: Uint8Array,
): void {
  view.setUint16(4, BLOCK_BYTES, true);
  const first = node * NODE_SLOTS;
  const children = Math.min(NODE_SLOTS, plan.leafStarts.length - first);
  putSlots(view, NODE_ENTRIES_OFFSET, NODE_SLOTS, children, (i) => ({
    key: hashed.leafKeys[first + i]!,
    block: 1 + hashed.nodeCount + first + i,
  }));
  putSlotsChecksum(view, NODE_ENTRIES_OFFSET, children, seed, out);
}

/** Slot 0 has limit and count in the place of its key, which is 0 anyway. */
function putSlots(
  view: DataView,
  offset: number,
  limit: number,
  count: number,
  slot: (index: number) => { key: number; block: number },
): void {
  for (let i = 0; i < count; i++) {
    const { key, block } = slot(i);
    view.setUint32(offset + i * 8, key, true);
    view.setUint32(offset + i * 8 + 4, block, true);
  }
  view.setUint16(offset, limit, true);
  view.setUint16(offset + 2, count, true);
}

/** The checksum covers the slots in use and eight zero bytes: the tail with its own field as zero. */
function putSlotsChecksum(
  view: DataView,
  offset: number,
  count: number,
  seed: number,
  out: Uint8Array,
): void {
  const covered = updateCrc32c(seed, out.subarray(0, offset + count * 8));
  view.setUint32(BLOCK_BYTES - 4, updateCrc32c(covered, EIGHT_ZEROS), true);
}

const EIGHT_ZEROS = new Uint8Array(8);
