/**
 * Group descriptors and bitmaps.
 *
 * Used blocks and used inodes are always a prefix of the image, so a bitmap is ones up to some bit. Bits
 * behind the end of the image or of the group's inodes must be ones as well.
 * Source: Documentation/filesystems/ext4/group_descr.rst, bitmaps.rst.
 */
import { updateCrc32c } from "../../bytes/crc32c.ts";
import { updateWithU32 } from "./checksums.ts";
import { BLOCK_BYTES, BLOCKS_PER_GROUP, DESCRIPTOR_BYTES, INODES_PER_BLOCK } from "./format.ts";
import type { Ext4Layout } from "./layout.ts";

const BITS_PER_BLOCK = BLOCK_BYTES * 8;
const INODE_TABLE_ZEROED = 4;
const GROUPS_PER_BLOCK = BLOCK_BYTES / DESCRIPTOR_BYTES;

const scratch = new Uint8Array(BLOCK_BYTES);

/** Block `index` of the descriptor table; `out` is zeroed. */
export function encodeDescriptors(layout: Ext4Layout, index: number, out: Uint8Array): void {
  const first = index * GROUPS_PER_BLOCK;
  const end = Math.min(layout.geometry.groupCount, first + GROUPS_PER_BLOCK);
  for (let group = first; group < end; group++) {
    const start = (group - first) * DESCRIPTOR_BYTES;
    encodeDescriptor(layout, group, out.subarray(start, start + DESCRIPTOR_BYTES));
  }
}

function encodeDescriptor(layout: Ext4Layout, group: number, bytes: Uint8Array): void {
  const { geometry, checksumSeed } = layout;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const halves = (low: number, high: number, value: number) => {
    view.setUint16(low, value & 0xffff, true);
    view.setUint16(high, value >>> 16, true);
  };
  const { inodesPerGroup } = geometry;
  const freeInodes = inodesPerGroup - usedInodes(layout, group);
  view.setUint32(0x00, geometry.blockBitmaps + group, true);
  view.setUint32(0x04, geometry.inodeBitmaps + group, true);
  view.setUint32(0x08, geometry.inodeTable + group * inodesPerGroup / INODES_PER_BLOCK, true);
  halves(0x0c, 0x2c, freeBlocks(layout, group));
  halves(0x0e, 0x2e, freeInodes);
  halves(0x10, 0x30, layout.directoriesPerGroup[group]!);
  view.setUint16(0x12, INODE_TABLE_ZEROED, true);
  halves(0x1c, 0x32, freeInodes);
  encodeBlockBitmap(layout, group, scratch.fill(0));
  halves(0x18, 0x38, updateCrc32c(checksumSeed, scratch));
  encodeInodeBitmap(layout, group, scratch.fill(0));
  halves(0x1a, 0x3a, updateCrc32c(checksumSeed, scratch.subarray(0, inodesPerGroup / 8)));
  const checksum = updateCrc32c(updateWithU32(checksumSeed, group), bytes);
  view.setUint16(0x1e, checksum & 0xffff, true);
}

/** `out` is zeroed. */
export function encodeBlockBitmap(layout: Ext4Layout, group: number, out: Uint8Array): void {
  const first = group * BLOCKS_PER_GROUP;
  setBits(out, 0, layout.geometry.used - first);
  setBits(out, layout.geometry.blockCount - first, BITS_PER_BLOCK);
}

/** `out` is zeroed. */
export function encodeInodeBitmap(layout: Ext4Layout, group: number, out: Uint8Array): void {
  setBits(out, 0, usedInodes(layout, group));
  setBits(out, layout.geometry.inodesPerGroup, BITS_PER_BLOCK);
}

function usedInodes({ geometry }: Ext4Layout, group: number): number {
  const { inodesPerGroup, lastInode } = geometry;
  return clamp(lastInode - group * inodesPerGroup, inodesPerGroup);
}

function freeBlocks({ geometry }: Ext4Layout, group: number): number {
  const first = group * BLOCKS_PER_GROUP;
  const present = clamp(geometry.blockCount - first, BLOCKS_PER_GROUP);
  return present - clamp(geometry.used - first, present);
}

function clamp(value: number, max: number): number {
  return Math.max(0, Math.min(value, max));
}

/** Sets the bits from `from` up to, not including, `to`; both may lie outside the bitmap. */
function setBits(bitmap: Uint8Array, from: number, to: number): void {
  const end = clamp(to, bitmap.length * 8);
  let bit = Math.max(0, from);
  while (bit < end && bit % 8 !== 0) setBit(bitmap, bit++);
  if (bit >= end) return;
  bitmap.fill(0xff, bit >>> 3, end >>> 3);
  for (bit = end & ~7; bit < end; bit++) setBit(bitmap, bit);
}

function setBit(bitmap: Uint8Array, bit: number): void {
  bitmap[bit >>> 3] = bitmap[bit >>> 3]! | (1 << (bit & 7));
}
