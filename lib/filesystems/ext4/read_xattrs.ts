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
import { FastboopError } from "../../errors/errors.ts";
import { damaged } from "../damaged.ts";
import { decodeText } from "../decode_name.ts";
import { updateWithU32, updateWithU64 } from "./checksums.ts";
import { decodeAcl } from "./decode_acl.ts";
import type { ReadInode } from "./read_inode.ts";
import type { Ext4Space } from "./read_space.ts";
import { XATTR_MAGIC } from "./xattrs.ts";

/**
 * What an attribute's index stands for; `system.data` (7) holds inline data and is no user's. Others, such
 * as the keys of encrypted directories (9), are not shown, as the kernel shows none.
 */
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
/** Of all values of one inode. */
const MAX_VALUES_BYTES = 4 << 20;
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
  const found: Found = { action, xattrs: new Map(), valuesBytes: 0, readValue };
  const { spare, xattrBlock } = inode;
  if (spare.length >= 4 && u32At(spare, 0) === XATTR_MAGIC) {
    // Offsets in the inode count from behind the magic.
    await addEntries(found, spare.subarray(4), 0);
  }
  if (xattrBlock !== 0) {
    const block = await space.block(action, xattrBlock);
    if (u32At(block, 0) !== XATTR_MAGIC) throw damaged(action, "their block has no magic");
    verifyBlock(action, space, block, xattrBlock);
    await addEntries(found, block, BLOCK_HEADER_BYTES);
  }
  return found.xattrs;
}

/** The attributes of one inode while they are read. */
interface Found {
  readonly action: string;
  readonly xattrs: Map<string, Uint8Array>;
  valuesBytes: number;
  readonly readValue: ReadValueInode;
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

async function addEntries(found: Found, area: Uint8Array, start: number): Promise<void> {
  const { action } = found;
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
    const name = area.subarray(at + ENTRY_BYTES, nameEnd);
    at = alignUp(nameEnd - start, 4) + start;
    const prefix = PREFIXES[index];
    if (prefix === undefined) continue;
    const fullName = prefix + decodeText(action, "a name", name);
    countValue(found, fullName, valueBytes);
    const value = valueInode === 0
      ? area.slice(valueOffset, valueOffset + valueBytes)
      : await found.readValue(valueInode, valueBytes);
    found.xattrs.set(fullName, index === 2 || index === 3 ? decodeAcl(action, value) : value);
  }
}

/** Values may overlap or share an inode, so a small image can name many large ones. */
function countValue(found: Found, name: string, valueBytes: number): void {
  const { action, xattrs } = found;
  if (xattrs.has(name)) throw damaged(action, `"${name}" occurs twice`);
  found.valuesBytes += valueBytes;
  if (found.valuesBytes <= MAX_VALUES_BYTES) return;
  const state = `they take more than ${MAX_VALUES_BYTES} bytes`;
  throw new FastboopError({ kind: "limit", action, state });
}
