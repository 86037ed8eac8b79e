/**
 * Directory blocks of ext2 to ext4, read linearly: the inner nodes of a hash tree look like one empty
 * entry, so the tree itself is not needed.
 *
 *     entry: u32 inode, u16 entry bytes, u8 name bytes, u8 type, name
 *
 * Source: Documentation/filesystems/ext4/directory.rst and checksums.rst.
 */
import { updateCrc32c } from "../../bytes/crc32c.ts";
import { damaged } from "../damaged.ts";
import { decodeName } from "../decode_name.ts";
import { addName } from "../image_tree.ts";
import { updateWithU32 } from "./checksums.ts";
import { DOTS_BYTES, INODE_FLAG, TAIL_BYTES, TAIL_TYPE } from "./format.ts";
import type { ReadInode } from "./read_inode.ts";

const HEAD_BYTES = 8;
/** Where the entry arrays of a hash tree's root and of its inner nodes start. */
const ROOT_ARRAY = DOTS_BYTES + 8;
const NODE_ARRAY = 8;
/** Lengths of 64 KiB do not fit into 16 bits. */
const WHOLE_64K = 65536;

/** Adds the names of one part of a directory, a block or inline data, to `names`. */
export function parseEntries(action: string, bytes: Uint8Array, names: Map<string, number>): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length;) {
    const left = bytes.length - at;
    const length = left < HEAD_BYTES ? 0 : entryBytes(view.getUint16(at + 4, true), bytes.length);
    const nameBytes = left < HEAD_BYTES ? 0 : view.getUint8(at + 6);
    if (length % 4 !== 0 || length > left || length < HEAD_BYTES + nameBytes) {
      throw damaged(action, `the entry at byte ${at} has ${length} bytes`);
    }
    const inode = view.getUint32(at, true);
    const name = bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + nameBytes);
    at += length;
    if (inode === 0 || isDots(name)) continue;
    addName(action, names, decodeName(action, name), inode);
  }
}

/** 0 and 65535 stand for 64 KiB; else the low two bits extend the length. */
function entryBytes(raw: number, blockBytes: number): number {
  if (blockBytes < WHOLE_64K) return raw;
  return raw === 0 || raw === 65535 ? WHOLE_64K : (raw & 65532) | ((raw & 3) << 16);
}

/** `.` and `..` */
function isDots(name: Uint8Array): boolean {
  return name.length > 0 && name.length <= 2 && name.every((byte) => byte === 0x2e);
}

/**
 * Checks the checksum of block `index` of a directory, where the image has them.
 *
 * @throws {FastboopError} `corrupt`.
 */
export function verifyDirectoryBlock(
  action: string,
  inode: ReadInode,
  block: Uint8Array,
  index: number,
): void {
  const seed = inode.checksumSeed;
  if (seed === undefined) return;
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const tail = block.length - TAIL_BYTES;
  const isLeaf = view.getUint32(tail, true) === 0 &&
    view.getUint16(tail + 4, true) === TAIL_BYTES &&
    view.getUint16(tail + 6, true) === TAIL_TYPE << 8;
  const computed = isLeaf
    ? updateCrc32c(seed, block.subarray(0, tail))
    : inode.flags & INODE_FLAG.INDEX
    ? nodeChecksum(seed, view, block, index)
    : undefined;
  const stored = isLeaf ? view.getUint32(tail + 8, true) : storedInNode(view, index);
  if (computed === undefined || computed !== stored) {
    throw damaged(action, `the checksum of block ${index} is wrong or missing`);
  }
}

/** Over the entries in use and the tail's reserved word, with zeros for the checksum. */
function nodeChecksum(
  seed: number,
  view: DataView,
  block: Uint8Array,
  index: number,
): number | undefined {
  const array = index === 0 ? ROOT_ARRAY : NODE_ARRAY;
  const limit = view.getUint16(array, true);
  const used = array + view.getUint16(array + 2, true) * 8;
  const tail = array + limit * 8;
  if (used > tail || tail + 8 > block.length) return undefined;
  const register = updateCrc32c(seed, block.subarray(0, used));
  return updateWithU32(updateCrc32c(register, block.subarray(tail, tail + 4)), 0);
}

function storedInNode(view: DataView, index: number): number | undefined {
  const array = index === 0 ? ROOT_ARRAY : NODE_ARRAY;
  const tail = array + view.getUint16(array, true) * 8;
  return tail + 8 > view.byteLength ? undefined : view.getUint32(tail + 4, true);
}
