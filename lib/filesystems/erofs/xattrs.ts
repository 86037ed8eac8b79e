/**
 * Extended attributes of EROFS: a header and entries behind the inode, and entries shared by many
 * inodes in an area of their own.
 *
 *     header: u32 name filter, u8 shared count, 7 zero bytes, shared count times u32 (offset / 4)
 *     entry:  u8 name length, u8 prefix (bit 7: long prefix), u16 value bytes, name, value, padded to 4
 *     long prefix: u16 length, u8 prefix it extends, text, padded to 4
 *
 * Source: struct erofs_xattr_ibody_header, erofs_xattr_entry, erofs_xattr_long_prefix of
 * fs/erofs/erofs_fs.h.
 */
import { alignUp } from "../../bytes/align.ts";
import { concat } from "../../bytes/concat.ts";
import { FastboopError } from "../../errors/errors.ts";
import { damaged } from "../damaged.ts";
import { decodeText } from "../decode_name.ts";
import { XATTR_LIST_BYTES } from "../limits.ts";

const HEADER_BYTES = 12;
const ENTRY_BYTES = 4;
const LONG_PREFIX = 0x80;

const encoder = new TextEncoder();
/** EROFS_XATTR_INDEX_*, 0 being no prefix at all. */
const PREFIXES = [
  "",
  "user.",
  "system.posix_acl_access",
  "system.posix_acl_default",
  "trusted.",
  "lustre.",
  "security.",
];

/** Fills `into` from an offset of a space; throws when it ends before. */
export type ReadSpace = (offsetBytes: number, into: Uint8Array) => Promise<void>;

/** Where an image keeps what inodes share. */
export interface SharedXattrs {
  /** Start of the shared area. */
  readonly offset: number;
  readonly read: ReadSpace;
  readonly longPrefixes: readonly Uint8Array[];
}

/**
 * The attributes whose area behind the inode is `body`.
 *
 * @throws {FastboopError} `corrupt`; `limit` for more names than a kernel can list.
 */
export async function readXattrs(
  action: string,
  body: Uint8Array,
  shared: SharedXattrs,
): Promise<Map<string, Uint8Array>> {
  const xattrs = new Map<string, Uint8Array>();
  if (body.length === 0) return xattrs;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const sharedCount = body[4]!;
  let at = HEADER_BYTES + 4 * sharedCount;
  if (at > body.length) throw damaged(action, `${sharedCount} shared attributes have no room`);
  let listBytes = 0;
  const add = (prefix: number, suffix: Uint8Array, value: Uint8Array) => {
    const name = nameOf(action, prefix, suffix, shared.longPrefixes);
    if (xattrs.has(name)) throw damaged(action, `attribute "${name}" occurs twice`);
    listBytes += name.length + 1;
    if (listBytes > XATTR_LIST_BYTES) {
      const state = `the names of its attributes take more than ${XATTR_LIST_BYTES} bytes`;
      throw new FastboopError({ kind: "limit", action, state });
    }
    xattrs.set(name, value);
  };
  while (at + ENTRY_BYTES <= body.length) {
    // Zeros pad an area that was made larger than needed.
    if (view.getUint32(at, true) === 0) break;
    const valueAt = at + ENTRY_BYTES + view.getUint8(at);
    const end = valueAt + view.getUint16(at + 2, true);
    if (end > body.length) {
      throw damaged(action, `an attribute ends ${end - body.length} bytes late`);
    }
    const suffix = body.subarray(at + ENTRY_BYTES, valueAt);
    add(view.getUint8(at + 1), suffix, body.slice(valueAt, end));
    at = alignUp(end, 4);
  }
  for (let i = 0; i < sharedCount; i++) {
    const offset = shared.offset + view.getUint32(HEADER_BYTES + 4 * i, true) * 4;
    const head = new Uint8Array(ENTRY_BYTES);
    await shared.read(offset, head);
    const rest = new Uint8Array(head[0]! + (head[2]! | (head[3]! << 8)));
    await shared.read(offset + ENTRY_BYTES, rest);
    add(head[1]!, rest.subarray(0, head[0]!), rest.slice(head[0]!));
  }
  return xattrs;
}

/** The table of long prefixes at `offset` of the space `read` reads, each as its full text. */
export async function readLongPrefixes(
  action: string,
  read: ReadSpace,
  offset: number,
  count: number,
): Promise<Uint8Array[]> {
  const prefixes: Uint8Array[] = [];
  let at = offset;
  for (let i = 0; i < count; i++) {
    const size = new Uint8Array(2);
    await read(at, size);
    const bytes = new Uint8Array(size[0]! | (size[1]! << 8));
    if (bytes.length === 0) throw damaged(action, `long attribute prefix ${i} is empty`);
    await read(at + 2, bytes);
    const base = PREFIXES[bytes[0]!];
    if (base === undefined) throw damaged(action, `attribute prefix ${bytes[0]} is not known`);
    prefixes.push(concat([encoder.encode(base), bytes.subarray(1)]));
    at = alignUp(at + 2 + bytes.length, 4);
  }
  return prefixes;
}

function nameOf(
  action: string,
  index: number,
  suffix: Uint8Array,
  longPrefixes: readonly Uint8Array[],
): string {
  const prefix = index & LONG_PREFIX ? longPrefixes[index & ~LONG_PREFIX] : PREFIXES[index];
  if (prefix === undefined) throw damaged(action, `attribute prefix ${index} is not known`);
  const what = "an attribute's name";
  return typeof prefix === "string"
    ? prefix + decodeText(action, what, suffix)
    : decodeText(action, what, concat([prefix, suffix]));
}
