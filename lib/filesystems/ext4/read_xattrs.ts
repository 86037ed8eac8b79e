/**
 * Extended attributes of ext2 to ext4: entries in the inode, in one block, values also in inodes of
 * their own.
 *
 *     entry: u8 name length, u8 index, u16 value offset, u32 value inode, u32 value bytes, u32 hash, name
 *
 * Source: Documentation/filesystems/ext4/attributes.rst.
 */
import { alignUp } from "../../bytes/align.ts";
import { updateCrc32c } from "../../bytes/crc32c.ts";
import { damaged } from "../damaged.ts";
import { decodeText } from "../decode_name.ts";
import { updateWithU32, updateWithU64 } from "./checksums.ts";
import { decodeAcl } from "./decode_acl.ts";
import type { ReadInode } from "./read_inode.ts";
import type { Ext4Space } from "./read_space.ts";
import { XATTR_MAGIC } from "./xattrs.ts";

/** What an attribute's index stands for; `system.data` (7) holds inline data and is no user's. */
const PREFIXES: Record<number, string> = {
  1: "user.",
  2: "system.posix_acl_access",
  3: "system.posix_acl_default",
  4: "trusted.",
  6: "security.",
  7: "system.",
  8: "system.richacl",
};
const ENTRY_BYTES = 16;
const BLOCK_HEADER_BYTES = 32;
const CHECKSUM_OFFSET = 16;
/** include/uapi/linux/limits.h: XATTR_SIZE_MAX */
const MAX_VALUE_BYTES = 65536;
/** Where the rest of inline data is kept. */
export const INLINE_DATA_NAME = "system.data";

/** Reads a value that has an inode of its own. */
export type ReadValueInode = (inode: number, sizeBytes: number) => Promise<Uint8Array>;

/** Whether the inode has room for attributes in use: they may still be none. */
export function hasXattrs({ spare, xattrBlock }: ReadInode): boolean {
  return xattrBlock !== 0 || (spare.length >= 4 && u32At(spare, 0) === XATTR_MAGIC);
}

/** All attributes of `inode`, `system.data` among them. */
export async function readXattrs(
  space: Ext4Space,
  inode: ReadInode,
  readValue: ReadValueInode,
): Promise<Map<string, Uint8Array>> {
  const action = `Read the attributes of ext4 inode ${inode.ref}`;
  const xattrs = new Map<string, Uint8Array>();
  const { spare, xattrBlock } = inode;
  if (spare.length >= 4 && u32At(spare, 0) === XATTR_MAGIC) {
    // Offsets in the inode count from behind the magic.
    await addEntries(action, spare.subarray(4), 0, xattrs, readValue);
  }
  if (xattrBlock !== 0) {
    const block = await space.block(action, xattrBlock);
    if (u32At(block, 0) !== XATTR_MAGIC) throw damaged(action, "their block has no magic");
    verifyBlock(action, space, block, xattrBlock);
    await addEntries(action, block, BLOCK_HEADER_BYTES, xattrs, readValue);
  }
  return xattrs;
}

function u32At(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);
}

function verifyBlock(action: string, space: Ext4Space, block: Uint8Array, number: number): void {
  const seed = space.superblock.checksumSeed;
  if (seed === undefined) return;
  const register = updateCrc32c(updateWithU64(seed, number), block.subarray(0, CHECKSUM_OFFSET));
  const rest = block.subarray(CHECKSUM_OFFSET + 4);
  if (updateCrc32c(updateWithU32(register, 0), rest) !== u32At(block, CHECKSUM_OFFSET)) {
    throw damaged(action, "the checksum of their block is wrong");
  }
}

async function addEntries(
  action: string,
  area: Uint8Array,
  start: number,
  xattrs: Map<string, Uint8Array>,
  readValue: ReadValueInode,
): Promise<void> {
  const view = new DataView(area.buffer, area.byteOffset, area.byteLength);
  // Four zero bytes end the list, or the area does.
  for (let at = start; at + 4 <= area.length && view.getUint32(at, true) !== 0;) {
    const nameEnd = at + ENTRY_BYTES + area[at]!;
    if (nameEnd > area.length) throw damaged(action, "an entry has no room");
    const index = area[at + 1]!;
    const valueOffset = view.getUint16(at + 2, true);
    const valueInode = view.getUint32(at + 4, true);
    const valueBytes = view.getUint32(at + 8, true);
    const fits = valueInode !== 0 || valueBytes === 0 || valueOffset + valueBytes <= area.length;
    if (valueBytes > MAX_VALUE_BYTES || !fits) {
      throw damaged(action, `a value of ${valueBytes} bytes has no room`);
    }
    const prefix = PREFIXES[index];
    if (prefix === undefined) throw damaged(action, `index ${index} is not known`);
    const text = decodeText(action, "a name", area.subarray(at + ENTRY_BYTES, nameEnd));
    if (xattrs.has(prefix + text)) throw damaged(action, `"${prefix}${text}" occurs twice`);
    const value = valueInode === 0
      ? area.slice(valueOffset, valueOffset + valueBytes)
      : await readValue(valueInode, valueBytes);
    xattrs.set(prefix + text, index === 2 || index === 3 ? decodeAcl(action, value) : value);
    at = alignUp(nameEnd - start, 4) + start;
  }
}
