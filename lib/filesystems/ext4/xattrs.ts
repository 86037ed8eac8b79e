/**
 * Extended attributes as ext4 stores them: in the inode's spare 96 bytes, or in one block.
 *
 *     entry: u8 name length, u8 index, u16 value offset, u32 0, u32 value size, u32 hash, name
 *
 * Names come sorted by (index, length, bytes), values are packed downward from the end.
 * Source: Documentation/filesystems/ext4/attributes.rst; POSIX ACLs: fs/ext4/acl.h and
 * include/uapi/linux/posix_acl_xattr.h.
 */
import { FastboopError } from "../../errors/errors.ts";
import { alignUp } from "../../bytes/align.ts";
import { BLOCK_BYTES } from "./format.ts";

/** Attributes of one inode, ready to be placed; the block's checksum is added when it is encoded. */
export interface EncodedXattrs {
  readonly place: "inode" | "block";
  readonly bytes: Uint8Array;
}

interface Attribute {
  readonly index: number;
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

export const XATTR_MAGIC = 0xea020000;
/** Bytes behind the 160 that i_extra_isize 32 covers. */
const INODE_XATTR_BYTES = 96;
const INODE_HEADER_BYTES = 4;
const BLOCK_HEADER_BYTES = 32;
const ENTRY_BYTES = 16;
/** Four zero bytes end the list. */
const END_BYTES = 4;

/** EXT4_XATTR_INDEX_*; the ACLs' names are empty, since the index says it all. */
const PREFIXES: readonly (readonly [prefix: string, index: number])[] = [
  ["user.", 1],
  ["trusted.", 4],
  ["security.", 6],
];
const ACL_INDEX: Record<string, number> = {
  "system.posix_acl_access": 2,
  "system.posix_acl_default": 3,
};

/** Encodes the attributes of `path`; undefined when there are none. */
export function encodeXattrs(
  path: string,
  xattrs: ReadonlyMap<string, Uint8Array>,
): EncodedXattrs | undefined {
  if (xattrs.size === 0) return undefined;
  const attributes = [...xattrs].map(([name, value]) => toAttribute(path, name, value));
  attributes.sort(compareAttributes);
  const needed = END_BYTES + attributes.reduce(
    (sum, { name, value }) =>
      sum + ENTRY_BYTES + alignUp(name.length, 4) + alignUp(value.length, 4),
    0,
  );
  if (needed <= INODE_XATTR_BYTES - INODE_HEADER_BYTES) {
    const bytes = new Uint8Array(INODE_XATTR_BYTES);
    new DataView(bytes.buffer).setUint32(0, XATTR_MAGIC, true);
    // Offsets in the inode count from behind the magic.
    placeAttributes(bytes.subarray(INODE_HEADER_BYTES), 0, attributes);
    return { place: "inode", bytes };
  }
  if (needed <= BLOCK_BYTES - BLOCK_HEADER_BYTES) {
    return { place: "block", bytes: encodeBlock(attributes) };
  }
  throw new FastboopError({
    kind: "limit",
    action: `Lay out the extended attributes of "${path}"`,
    state: `they take ${needed} bytes, one block holds ${BLOCK_BYTES - BLOCK_HEADER_BYTES}`,
  });
}

function encodeBlock(attributes: readonly Attribute[]): Uint8Array {
  const bytes = new Uint8Array(BLOCK_BYTES);
  const hashes = placeAttributes(bytes, BLOCK_HEADER_BYTES, attributes);
  let hash = 0;
  for (const entryHash of hashes) hash = ((hash << 16) | (hash >>> 16)) ^ entryHash;
  const view = new DataView(bytes.buffer);
  view.setUint32(0, XATTR_MAGIC, true);
  view.setUint32(4, 1, true);
  view.setUint32(8, 1, true);
  view.setUint32(12, hash >>> 0, true);
  return bytes;
}

/** Entries from `startBytes` on, values at the end; returns the entries' hashes. */
function placeAttributes(
  area: Uint8Array,
  startBytes: number,
  attributes: readonly Attribute[],
): number[] {
  const view = new DataView(area.buffer, area.byteOffset, area.byteLength);
  let entry = startBytes;
  let values = area.length;
  return attributes.map(({ index, name, value }) => {
    values -= alignUp(value.length, 4);
    const hash = hashAttribute(name, value);
    view.setUint8(entry, name.length);
    view.setUint8(entry + 1, index);
    view.setUint16(entry + 2, value.length === 0 ? 0 : values, true);
    view.setUint32(entry + 8, value.length, true);
    view.setUint32(entry + 12, hash, true);
    area.set(name, entry + ENTRY_BYTES);
    area.set(value, values);
    entry += ENTRY_BYTES + alignUp(name.length, 4);
    return hash;
  });
}

function hashAttribute(name: Uint8Array, value: Uint8Array): number {
  let hash = 0;
  for (const byte of name) hash = ((hash << 5) | (hash >>> 27)) ^ byte;
  const padded = new Uint8Array(alignUp(value.length, 4));
  padded.set(value);
  const words = new DataView(padded.buffer);
  for (let i = 0; i < padded.length; i += 4) {
    hash = ((hash << 16) | (hash >>> 16)) ^ words.getUint32(i, true);
  }
  return hash >>> 0;
}

function toAttribute(path: string, fullName: string, value: Uint8Array): Attribute {
  const aclIndex = ACL_INDEX[fullName];
  if (aclIndex !== undefined) {
    return { index: aclIndex, name: new Uint8Array(0), value: convertAcl(path, value) };
  }
  const prefix = PREFIXES.find(([text]) => fullName.startsWith(text));
  const name = new TextEncoder().encode(fullName.slice(prefix?.[0].length ?? 0));
  if (prefix === undefined || name.length === 0 || name.length > 255) {
    throw new FastboopError({
      kind: "unsupported",
      action: `Lay out the extended attributes of "${path}"`,
      state: `ext4 has no place for "${fullName}"`,
    });
  }
  return { index: prefix[1], name, value };
}

function compareAttributes(a: Attribute, b: Attribute): number {
  if (a.index !== b.index) return a.index - b.index;
  if (a.name.length !== b.name.length) return a.name.length - b.name.length;
  for (let i = 0; i < a.name.length; i++) {
    if (a.name[i] !== b.name[i]) return a.name[i]! - b.name[i]!;
  }
  return 0;
}

const ACL_SYSCALL_VERSION = 2;
const ACL_DISK_VERSION = 1;
const ACL_USER = 2;
const ACL_GROUP = 8;

/**
 * From the system call's form (u32 version 2, then u16 tag, u16 permissions, u32 id) to the one on disk
 * (u32 version 1, and the id only for named users and groups).
 */
function convertAcl(path: string, value: Uint8Array): Uint8Array {
  const from = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (
    value.length < 4 || value.length % 8 !== 4 || from.getUint32(0, true) !== ACL_SYSCALL_VERSION
  ) {
    throw new FastboopError({
      kind: "corrupt",
      action: `Lay out the ACL of "${path}"`,
      state: "it is not of version 2",
    });
  }
  const to = new DataView(new ArrayBuffer(value.length));
  to.setUint32(0, ACL_DISK_VERSION, true);
  let end = 4;
  for (let i = 4; i < value.length; i += 8) {
    const tag = from.getUint16(i, true);
    to.setUint16(end, tag, true);
    to.setUint16(end + 2, from.getUint16(i + 2, true), true);
    end += 4;
    if (tag !== ACL_USER && tag !== ACL_GROUP) continue;
    to.setUint32(end, from.getUint32(i + 4, true), true);
    end += 4;
  }
  return new Uint8Array(to.buffer, 0, end);
}
