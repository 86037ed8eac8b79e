/**
 * The 12 bytes at each end of a stream, and its index.
 *
 * ```text
 * header: fd "7zXZ" 00 | 00 check | CRC32        footer: CRC32 | index size / 4 - 1 | 00 check | "YZ"
 * index: 00 | count | unpadded size, plain size... | zeros | CRC32
 * ```
 *
 * Source: xz-file-format 1.2.1, 2.1 and 4.
 */
import { crc32 } from "node:zlib";
import { brokenXz } from "./broken_xz.ts";
import { checkSize } from "./check.ts";
import { xzNumberBytes, XzNumbers } from "./xz_number.ts";

export const HEADER_BYTES = 12;
export const FOOTER_BYTES = 12;
/** A block has a header of 8 bytes at least, and a byte of data; padded. */
export const MIN_BLOCK_BYTES = 12;
const MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];

/** Sizes of one block as an index gives them. */
export interface XzRecord {
  readonly unpaddedSizeBytes: number;
  readonly plainSizeBytes: number;
}

/** Whether a stream begins at `at`. */
export function isStreamStart(bytes: Uint8Array, at = 0): boolean {
  return MAGIC.every((byte, i) => bytes[at + i] === byte);
}

/** The check's number. @throws {FastboopError} `corrupt`, `unsupported` for flags and checks. */
export function parseStreamHeader(bytes: Uint8Array): number {
  if (bytes.length < HEADER_BYTES || !isStreamStart(bytes)) throw brokenXz("it is no xz stream");
  compareCrc32(bytes.subarray(6, 8), bytes, 8);
  return parseFlags(bytes, 6);
}

/** @throws {FastboopError} as parseStreamHeader(). */
export function parseStreamFooter(bytes: Uint8Array): { check: number; indexBytes: number } {
  if (bytes.length < FOOTER_BYTES || bytes[10] !== 0x59 || bytes[11] !== 0x5a) {
    throw brokenXz("it does not end with a stream's footer: it is cut short, or no xz file");
  }
  compareCrc32(bytes.subarray(4, 10), bytes, 0);
  const indexBytes = (viewOf(bytes).getUint32(4, true) + 1) * 4;
  return { check: parseFlags(bytes, 8), indexBytes };
}

/**
 * The records of the index that `bytes` is.
 *
 * @param mostBlocks more than fit into the stream, or are allowed, end in `corrupt` or `limit`.
 */
export function parseIndex(bytes: Uint8Array, mostBlocks: number, allowed: number): XzRecord[] {
  const end = bytes.length - 4;
  if (end < 4 || bytes[0] !== 0) throw brokenXz("there is no index before the footer");
  compareCrc32(bytes.subarray(0, end), bytes, end);
  const numbers = new XzNumbers(bytes, 1, end);
  const count = numbers.next();
  if (count > mostBlocks || count > bytes.length / 2) {
    throw brokenXz(`the index has ${count} blocks, which do not fit`);
  }
  if (count > allowed) throw brokenXz(`it has more than ${allowed} blocks`, "limit");
  const records: XzRecord[] = [];
  for (let i = 0; i < count; i++) {
    records.push({ unpaddedSizeBytes: numbers.next(), plainSizeBytes: numbers.next() });
  }
  if (end - numbers.at > 3) throw brokenXz("the index goes on behind its records");
  numbers.padding("the index's padding");
  return records;
}

/** A stream around one block: what stands before it and behind it. */
export function encodeStreamAround(
  check: number,
  record: XzRecord,
): { header: Uint8Array; tail: Uint8Array } {
  const header = new Uint8Array([...MAGIC, 0, check, 0, 0, 0, 0]);
  viewOf(header).setUint32(8, crc32(header.subarray(6, 8)), true);
  const numbers = [1, record.unpaddedSizeBytes, record.plainSizeBytes].flatMap(xzNumberBytes);
  const indexBytes = padded(1 + numbers.length) + 4;
  const tail = new Uint8Array(indexBytes + FOOTER_BYTES);
  const view = viewOf(tail);
  tail.set(numbers, 1);
  view.setUint32(indexBytes - 4, crc32(tail.subarray(0, indexBytes - 4)), true);
  view.setUint32(indexBytes + 4, indexBytes / 4 - 1, true);
  tail.set([0, check, 0x59, 0x5a], indexBytes + 8);
  view.setUint32(indexBytes, crc32(tail.subarray(indexBytes + 4, indexBytes + 10)), true);
  return { header, tail };
}

/** Bytes of the index of such blocks. */
export function indexSize(records: readonly XzRecord[]): number {
  let sizeBytes = 1 + xzNumberBytes(records.length).length;
  for (const { unpaddedSizeBytes, plainSizeBytes } of records) {
    sizeBytes += xzNumberBytes(unpaddedSizeBytes).length + xzNumberBytes(plainSizeBytes).length;
  }
  return padded(sizeBytes) + 4;
}

/** Up to a multiple of 4. */
export function padded(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 4) * 4;
}

function parseFlags(bytes: Uint8Array, at: number): number {
  const check = bytes[at + 1]!;
  if (bytes[at] !== 0) throw brokenXz("its flags are not known", "unsupported");
  if (checkSize(check) === undefined) throw brokenXz(`it has check ${check}`, "unsupported");
  return check;
}

function compareCrc32(covered: Uint8Array, bytes: Uint8Array, at: number): void {
  if (viewOf(bytes).getUint32(at, true) !== crc32(covered)) {
    throw brokenXz("a checksum does not match");
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
