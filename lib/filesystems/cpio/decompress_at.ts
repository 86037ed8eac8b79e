/**
 * Compressed streams that begin somewhere in a larger file: an initramfs in a boot image, or one that is
 * built into a kernel. The output is bounded; what follows the stream does not matter.
 */
import { crc32, inflateRawSync, zstdDecompressSync } from "node:zlib";
import { FastboopError } from "../../errors/errors.ts";
import { decodeXz } from "../../images/xz/decode_xz.ts";
import {
  BLOCK_HEADER_BYTES,
  brokenZstd,
  FRAME_START_BYTES,
  frameHeaderSize,
  parseBlockHeader,
  parseFrameHeader,
} from "../../images/zstd/frame_header.ts";

export type Compression = "gzip" | "xz" | "zstd";

export interface Decompressed {
  readonly bytes: Uint8Array;
  /** Offset behind the stream, where the format tells; else the end of the input. */
  readonly endBytes: number;
}

const MAGICS: readonly [Compression, readonly number[]][] = [
  ["gzip", [0x1f, 0x8b, 8]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]],
];

/** Which stream begins at `offsetBytes`, by its signature. */
export function compressionAt(bytes: Uint8Array, offsetBytes = 0): Compression | undefined {
  return MAGICS.find(([, magic]) => magic.every((byte, i) => bytes[offsetBytes + i] === byte))?.[0];
}

/**
 * Decompresses the stream at `offsetBytes`.
 *
 * @throws {FastboopError} `corrupt`, `limit` above `limitBytes`, `unsupported` for filters of xz.
 */
export function decompressAt(
  bytes: Uint8Array,
  offsetBytes: number,
  compression: Compression,
  limitBytes: number,
): Decompressed {
  try {
    if (compression === "gzip") return gunzip(bytes, offsetBytes, limitBytes);
    if (compression === "xz") {
      const endBytes = xzEnd(bytes, offsetBytes);
      return { bytes: decodeXz(bytes.subarray(offsetBytes, endBytes), limitBytes), endBytes };
    }
    const endBytes = zstdEnd(bytes, offsetBytes);
    const stored = bytes.subarray(offsetBytes, endBytes);
    return { bytes: zstdDecompressSync(stored, { maxOutputLength: limitBytes }), endBytes };
  } catch (cause) {
    if (cause instanceof FastboopError) throw cause;
    const tooLarge = (cause as { code?: string }).code === "ERR_BUFFER_TOO_LARGE";
    throw new FastboopError({
      kind: tooLarge ? "limit" : "corrupt",
      action: `Decompress the ${compression} stream`,
      state: tooLarge ? `it holds more than ${limitBytes} bytes` : "it is broken or cut short",
      cause,
    });
  }
}

const FLAG = { headerCrc: 2, extra: 4, name: 8, comment: 16 } as const;

/**
 * One member of RFC 1952. node's gunzip refuses anything but zeros behind a member, so the header and the
 * trailer are read here and the deflate stream alone is given to zlib.
 */
function gunzip(bytes: Uint8Array, offsetBytes: number, limitBytes: number): Decompressed {
  const start = endOfHeader(bytes, offsetBytes);
  // @ts-ignore `info` is missing from the types of Deno's node:zlib.
  const { buffer, engine } = inflateRawSync(bytes.subarray(start), {
    maxOutputLength: limitBytes,
    info: true,
  }) as { buffer: Uint8Array; engine: { bytesWritten: number } };
  const trailer = start + engine.bytesWritten;
  if (trailer + 8 > bytes.length) throw broken("it is cut short");
  const view = new DataView(bytes.buffer, bytes.byteOffset + trailer, 8);
  if (view.getUint32(0, true) !== crc32(buffer)) throw broken("its checksum is wrong");
  if (view.getUint32(4, true) !== buffer.length >>> 0) throw broken("its length is wrong");
  return { bytes: buffer, endBytes: trailer + 8 };
}

function endOfHeader(bytes: Uint8Array, offsetBytes: number): number {
  const flags = bytes[offsetBytes + 3] ?? 0xff;
  if ((flags & 0xe0) !== 0) throw broken("its header has unknown flags");
  let at = offsetBytes + 10;
  if (flags & FLAG.extra) at += 2 + (bytes[at] ?? 0) + (bytes[at + 1] ?? 0) * 256;
  for (const text of [FLAG.name, FLAG.comment]) {
    if ((flags & text) === 0) continue;
    const end = bytes.indexOf(0, at);
    if (end < 0 || end - at > 4096) throw broken("its header does not end");
    at = end + 1;
  }
  if (flags & FLAG.headerCrc) at += 2;
  if (at >= bytes.length) throw broken("it is cut short");
  return at;
}

/**
 * Offset behind an xz stream: behind the first footer that repeats the header's flags and has a right
 * checksum. Without one, the end of the input.
 */
function xzEnd(bytes: Uint8Array, offsetBytes: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let end = offsetBytes + 24; end <= bytes.length; end += 4) {
    if (bytes[end - 2] !== 0x59 || bytes[end - 1] !== 0x5a) continue;
    if (bytes[end - 4] !== bytes[offsetBytes + 6] || bytes[end - 3] !== bytes[offsetBytes + 7]) {
      continue;
    }
    if (view.getUint32(end - 12, true) === crc32(bytes.subarray(end - 8, end - 2))) return end;
  }
  return bytes.length;
}

/** Offset behind one frame, as far as the kernel reads as well: its blocks tell where they end. */
function zstdEnd(bytes: Uint8Array, offsetBytes: number): number {
  let end = offsetBytes;
  const next = (countBytes: number) => {
    if (end + countBytes > bytes.length) throw brokenZstd("it is cut short");
    return bytes.subarray(end, end + countBytes);
  };
  const headerBytes = frameHeaderSize(next(FRAME_START_BYTES));
  const { hasChecksum } = parseFrameHeader(next(headerBytes));
  end += headerBytes;
  for (let isLast = false; !isLast;) {
    const block = parseBlockHeader(next(BLOCK_HEADER_BYTES));
    end += BLOCK_HEADER_BYTES + block.storedBytes;
    isLast = block.isLast;
  }
  return end + next(hasChecksum ? 4 : 0).length;
}

function broken(state: string): FastboopError {
  return new FastboopError({ kind: "corrupt", action: "Decompress the gzip stream", state });
}
