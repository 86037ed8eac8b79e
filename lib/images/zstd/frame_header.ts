/**
 * What begins a Zstandard frame and each of its blocks.
 *
 * ```text
 * frame: 28 b5 2f fd | descriptor | [window] | [dictionary id] | [content size] | block... | [checksum 4]
 * block: 3 bytes: last 1 bit, type 2 bits, size 21 bits        skippable: 5x 2a 4d 18 | size u32 | data
 * ```
 *
 * Source: RFC 8878, 3.1.1 and 3.1.2.
 */
import { FastboopError } from "../../errors/errors.ts";

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
/** Magic and descriptor, from which the header's size follows; the largest header. */
export const FRAME_START_BYTES = 5;
export const BLOCK_HEADER_BYTES = 3;
const MAX_BLOCK_BYTES = 128 << 10;
/** Of memory one frame may ask for. */
export const MAX_WINDOW_LOG = 28;

export interface FrameHeader {
  readonly sizeBytes: number;
  readonly plainBytes: number | undefined;
  readonly hasChecksum: boolean;
}

/** Size of a skippable frame's header, whose data size stands at byte 4. */
export const SKIPPABLE_HEADER_BYTES = 8;

/** Which kind of frame four bytes begin. @throws {FastboopError} `corrupt` for none. */
export function frameKind(bytes: Uint8Array): "data" | "skippable" {
  const magic = viewOf(bytes).getUint32(0, true);
  if (magic === MAGIC) return "data";
  if ((magic & 0xfffffff0) === SKIPPABLE_MAGIC) return "skippable";
  throw brokenZstd("something in it is no Zstandard frame");
}

/** Size of a header by its first five bytes. */
export function frameHeaderSize(bytes: Uint8Array): number {
  const descriptor = bytes[4]!;
  const isSingle = (descriptor & 0x20) !== 0;
  return FRAME_START_BYTES + (isSingle ? 0 : 1) + dictionaryIdSize(descriptor) +
    contentSizeBytes(descriptor);
}

/** @throws {FastboopError} `unsupported` for dictionaries, `limit` for windows above 256 MiB. */
export function parseFrameHeader(bytes: Uint8Array): FrameHeader {
  const view = viewOf(bytes);
  const descriptor = bytes[4]!;
  if ((descriptor & 8) !== 0) throw brokenZstd("a frame has a reserved flag", "unsupported");
  const isSingle = (descriptor & 0x20) !== 0;
  const idAt = FRAME_START_BYTES + (isSingle ? 0 : 1);
  const sizeAt = idAt + dictionaryIdSize(descriptor);
  if (bytes.subarray(idAt, sizeAt).some((byte) => byte !== 0)) {
    throw brokenZstd("it needs a dictionary from elsewhere", "unsupported");
  }
  const plainBytes = parseContentSize(view, sizeAt, contentSizeBytes(descriptor));
  const windowBytes = isSingle ? plainBytes! : windowSize(bytes[FRAME_START_BYTES]!);
  if (windowBytes > 2 ** MAX_WINDOW_LOG) {
    throw brokenZstd(
      `a frame needs a window of ${windowBytes} bytes, more than ${2 ** MAX_WINDOW_LOG}`,
      "limit",
    );
  }
  const hasChecksum = (descriptor & 4) !== 0;
  return { sizeBytes: frameHeaderSize(bytes), plainBytes, hasChecksum };
}

/** @throws {FastboopError} `corrupt` for the reserved type and blocks above 128 KiB. */
export function parseBlockHeader(bytes: Uint8Array): { isLast: boolean; storedBytes: number } {
  const word = bytes[0]! | bytes[1]! << 8 | bytes[2]! << 16;
  const type = word >>> 1 & 3;
  const sizeBytes = word >>> 3;
  if (type === 3 || sizeBytes > MAX_BLOCK_BYTES) throw brokenZstd("a block's header is broken");
  // A run of one byte is stored as that byte.
  return { isLast: (word & 1) !== 0, storedBytes: type === 1 ? 1 : sizeBytes };
}

/** The error of a file that breaks the format. */
export function brokenZstd(
  state: string,
  kind: "corrupt" | "limit" | "unsupported" = "corrupt",
  cause?: unknown,
): FastboopError {
  return new FastboopError({ kind, action: "Decompress zstd", state, cause });
}

function dictionaryIdSize(descriptor: number): number {
  return [0, 1, 2, 4][descriptor & 3]!;
}

function contentSizeBytes(descriptor: number): number {
  return [(descriptor & 0x20) !== 0 ? 1 : 0, 2, 4, 8][descriptor >>> 6]!;
}

function parseContentSize(view: DataView, at: number, sizeBytes: number): number | undefined {
  switch (sizeBytes) {
    case 0:
      return undefined;
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at, true) + 256;
    case 4:
      return view.getUint32(at, true);
  }
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw brokenZstd(`a frame says that it holds ${value} bytes`, "limit");
  }
  return Number(value);
}

function windowSize(byte: number): number {
  const base = 2 ** (10 + (byte >>> 3));
  return base + base / 8 * (byte & 7);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
