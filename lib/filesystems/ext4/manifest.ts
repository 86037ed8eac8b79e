/**
 * The image's UUID and identity: a SHA-256 over everything that decides its bytes except file data.
 *
 * File data stands in with size and modification time. When times are clamped, the UUID goes by the
 * clamped ones, so that it is reproducible, and the identity takes the true ones besides.
 */
import { concat } from "../../bytes/concat.ts";
import type { Entry } from "../../sources/file_tree.ts";
import type { Dirents } from "./dirents.ts";
import { type AttributeOptions, timeOf } from "./attributes.ts";
import { KINDS } from "./format.ts";
import type { Ext4Inode, WalkedTree } from "./walk.ts";

/** What names an image. */
export interface ManifestNames {
  /** 16 bytes, version 8 (RFC 9562 section 5.8). */
  readonly uuid: Uint8Array;
  readonly identity: string;
}

const DOMAIN = "fastboop ext4 image 1\0";
const RECORD_FIELDS = 12;

const encoder = new TextEncoder();

/** Names the image of `tree`. */
export async function nameImage(
  tree: WalkedTree,
  label: Uint8Array,
  options: AttributeOptions,
): Promise<ManifestNames> {
  const parts = [encoder.encode(DOMAIN), Uint8Array.of(label.length), label];
  parts.push(encodeInodes(tree, options), encodeDirents(tree.dirents), tree.dirents.nameBytes);
  for (const { entry } of tree.inodes) {
    if (entry.linkTarget !== undefined) parts.push(encoder.encode(entry.linkTarget + "\0"));
    for (const [name, value] of sortedXattrs(entry)) {
      parts.push(encoder.encode(`${name}\0${value.length}\0`), value);
    }
  }
  const uuid = (await digest(parts)).slice(0, 16);
  uuid[6] = (uuid[6]! & 0x0f) | 0x80;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  const text = `ext4:${formatUuid(uuid)}`;
  if (options.timestamps === "source") return { uuid, identity: text };
  const times = await digest([encodeTimes(tree.inodes)]);
  return { uuid, identity: `${text}:${toHex(times.subarray(0, 8))}` };
}

/** `fb010203-0405-8607-8809-0a0b0c0d0e0f` */
function formatUuid(uuid: Uint8Array): string {
  return toHex(uuid).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function digest(parts: readonly Uint8Array[]): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(parts)));
}

/** The order in which a file system lists attributes is chance. */
function sortedXattrs({ xattrs }: Entry): [string, Uint8Array][] {
  return xattrs === undefined ? [] : [...xattrs].sort(([a], [b]) => a < b ? -1 : 1);
}

/** One record of numbers for each inode; typed arrays are little-endian on all platforms we run on. */
function encodeInodes(tree: WalkedTree, options: AttributeOptions): Uint8Array {
  const records = new Float64Array(tree.inodes.length * RECORD_FIELDS);
  let at = 0;
  for (const { entry, links, directory } of tree.inodes) {
    const { seconds, nanoseconds } = timeOf(entry, options);
    records[at++] = KINDS[entry.kind].modeBits | (entry.mode & 0o7777);
    records[at++] = options.owner === "root" ? 0 : entry.uid;
    records[at++] = options.owner === "root" ? 0 : entry.gid;
    records[at++] = links;
    records[at++] = entry.kind === "file" ? entry.sizeBytes : 0;
    records[at++] = seconds;
    records[at++] = nanoseconds;
    records[at++] = entry.deviceMajor ?? 0;
    records[at++] = entry.deviceMinor ?? 0;
    records[at++] = directory?.parentNumber ?? 0;
    records[at++] = directory?.direntCount ?? 0;
    records[at++] = entry.xattrs?.size ?? 0;
  }
  return new Uint8Array(records.buffer);
}

function encodeDirents(dirents: Dirents): Uint8Array {
  const records = new Uint32Array(dirents.count * 2);
  for (let i = 0; i < dirents.count; i++) {
    records[i * 2] = dirents.inode(i);
    records[i * 2 + 1] = dirents.nameLength(i);
  }
  return new Uint8Array(records.buffer);
}

function encodeTimes(inodes: readonly Ext4Inode[]): Uint8Array {
  const times = new Float64Array(inodes.length * 2);
  inodes.forEach(({ entry }, i) => {
    times[i * 2] = entry.mtimeSeconds;
    times[i * 2 + 1] = entry.mtimeNanoseconds;
  });
  return new Uint8Array(times.buffer);
}
