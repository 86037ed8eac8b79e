/**
 * The cache's file of one source: pure layout, see the table in this folder's README.
 *
 * A block is there when its table entry is well formed and its bytes have the entry's checksum. Nothing else
 * is believed, so writes may reach the disk in any order, in part or not at all.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { readU64 } from "../../bytes/read_u64.ts";

export const BLOCK_BYTES = 128 << 10;
export const ENTRY_BYTES = 8;
/** 256 GiB; the table of such a source takes 16 MiB. */
export const MAX_BLOCKS = 2 << 20;
const MAX_IDENTITY_BYTES = 16 << 10;
const MAGIC = new TextEncoder().encode("FBOOPBLK");
const VERSION = 1;
export const FIXED_HEADER_BYTES = 36;
const ALIGN_BYTES = 4096;

/** Which source, and where its parts lie in the file. */
export interface BlockLayout {
  readonly identity: string;
  readonly sizeBytes: number;
  /** Of the source's name and geometry: SHA-256, 64 hexadecimal digits. */
  readonly key: string;
  readonly blockCount: number;
  readonly tableOffsetBytes: number;
  readonly dataOffsetBytes: number;
  /** Distinguishes the checksums of sources. */
  readonly seed: number;
}

/** Undefined for a source that is too large, or has too long a name, to be cached. */
export function blockLayout(identity: string, sizeBytes: number): BlockLayout | undefined {
  const identityBytes = new TextEncoder().encode(identity).length;
  const blockCount = Math.ceil(sizeBytes / BLOCK_BYTES);
  if (identityBytes > MAX_IDENTITY_BYTES || blockCount > MAX_BLOCKS) return undefined;
  const digest = createHash("sha256").update(`${BLOCK_BYTES} ${sizeBytes} ${identity}`).digest();
  const tableOffsetBytes = alignUp(FIXED_HEADER_BYTES + identityBytes);
  return {
    identity,
    sizeBytes,
    key: digest.toString("hex"),
    blockCount,
    tableOffsetBytes,
    dataOffsetBytes: tableOffsetBytes + alignUp(blockCount * ENTRY_BYTES),
    seed: crc32(digest),
  };
}

export function encodeHeader({ identity, sizeBytes }: BlockLayout): Uint8Array {
  const name = new TextEncoder().encode(identity);
  const bytes = new Uint8Array(FIXED_HEADER_BYTES + name.length);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, BLOCK_BYTES, true);
  view.setBigUint64(16, BigInt(sizeBytes), true);
  view.setUint32(24, name.length, true);
  bytes.set(name, FIXED_HEADER_BYTES);
  view.setUint32(32, crc32(bytes), true);
  return bytes;
}

/** Bytes that a header takes, from its fixed part; undefined when it is none of this version. */
export function headerLength(fixed: Uint8Array): number | undefined {
  if (fixed.length < FIXED_HEADER_BYTES || MAGIC.some((byte, i) => fixed[i] !== byte)) {
    return undefined;
  }
  const view = new DataView(fixed.buffer, fixed.byteOffset);
  if (view.getUint32(8, true) !== VERSION || view.getUint32(12, true) !== BLOCK_BYTES) {
    return undefined;
  }
  const nameBytes = view.getUint32(24, true);
  return nameBytes > MAX_IDENTITY_BYTES ? undefined : FIXED_HEADER_BYTES + nameBytes;
}

/** The layout a whole header tells; undefined when it is damaged. */
export function parseHeader(bytes: Uint8Array): BlockLayout | undefined {
  if (headerLength(bytes) !== bytes.length) return undefined;
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  const checksum = view.getUint32(32, true);
  view.setUint32(32, 0, true);
  const sizeBytes = readU64(view, 16);
  if (checksum !== crc32(copy) || !Number.isSafeInteger(sizeBytes)) return undefined;
  const identity = new TextDecoder().decode(copy.subarray(FIXED_HEADER_BYTES));
  return blockLayout(identity, sizeBytes);
}

/** The checksum of a block at its place: the same bytes elsewhere have another one. */
export function blockChecksum({ seed }: BlockLayout, block: number, bytes: Uint8Array): number {
  return crc32(bytes, (seed ^ block) >>> 0);
}

export function setEntry(table: DataView, index: number, checksum: number): void {
  table.setUint32(index * ENTRY_BYTES, checksum, true);
  table.setUint32(index * ENTRY_BYTES + 4, ~checksum >>> 0, true);
}

export function clearEntry(table: DataView, index: number): void {
  table.setBigUint64(index * ENTRY_BYTES, 0n, true);
}

/** The checksum an entry tells; undefined when there is none, or half of one. */
export function getEntry(table: DataView, index: number): number | undefined {
  const checksum = table.getUint32(index * ENTRY_BYTES, true);
  const inverse = table.getUint32(index * ENTRY_BYTES + 4, true);
  return (~checksum >>> 0) === inverse ? checksum : undefined;
}

/** Bytes of the source in these blocks. */
export function runBytes({ sizeBytes }: BlockLayout, first: number, count: number): number {
  return Math.min((first + count) * BLOCK_BYTES, sizeBytes) - first * BLOCK_BYTES;
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / ALIGN_BYTES) * ALIGN_BYTES;
}
