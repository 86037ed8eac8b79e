/**
 * What compresses kernels, told by its first bytes and undone with a bound on what comes out.
 *
 * The streams are those of the kernel's scripts/Makefile.lib: gzip, zstd, xz, lz4 in its legacy frame, and
 * lzma alone, whose size the kernel build puts behind it. bzip2 and lzo are known by name only.
 */
import { FastboopError } from "../errors/errors.ts";
import { compressionAt, decompressAt } from "../filesystems/cpio/decompress_at.ts";
import { decodeMicroLzma } from "../filesystems/erofs/micro_lzma.ts";
import { decompressLz4Legacy, isLz4Legacy } from "./decompress_lz4_legacy.ts";

export type KernelCodec = "gzip" | "zstd" | "xz" | "lz4" | "lzma" | "bzip2" | "lzo";

/** Largest uncompressed kernel that is unwrapped. */
export const MAX_KERNEL_BYTES = 256 << 20;

/** What may still come out of streams: of the layers of one kernel, or of all kernels of one search. */
export interface UnpackBudget {
  leftBytes: number;
}

/** `lzma` begins with the properties every kernel build uses, and a dictionary of whole KiB. */
const OTHERS: readonly [KernelCodec, readonly number[]][] = [
  ["lzma", [0x5d, 0, 0]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["lzo", [0x89, 0x4c, 0x5a]],
];
/** Properties, u32 dictionary, u64 size, then a zero byte that begins the range coder (lzma.txt). */
const LZMA_HEADER_BYTES = 13;
/** No kernel shrinks to a thousandth: nothing is allocated for a size that only claims so. */
const MOST_TIMES_SMALLER = 1000;

/** Which stream begins here; undefined when it is none of them. */
export function kernelCodec(bytes: Uint8Array): KernelCodec | undefined {
  const common = compressionAt(bytes);
  if (common !== undefined) return common;
  if (isLz4Legacy(bytes)) return "lz4";
  return OTHERS.find(([, magic]) => magic.every((byte, i) => bytes[i] === byte))?.[0];
}

export interface DecompressedKernel {
  readonly bytes: Uint8Array;
  /** Of the input, where the stream tells its end; else all of it. */
  readonly storedBytes: number;
}

/**
 * Decompresses one stream.
 *
 * @param plainSizeBytes what stands behind the stream in a bzImage or zboot image; must come out exactly.
 * @param budget what it takes of it is what came out; of a stream that fails, all that could have.
 * @throws {FastboopError} `corrupt`, `limit` above {@link MAX_KERNEL_BYTES} or the budget, `unsupported`
 * naming the codec.
 */
export function decompressKernel(
  bytes: Uint8Array,
  codec: KernelCodec,
  plainSizeBytes?: number,
  budget: UnpackBudget = { leftBytes: MAX_KERNEL_BYTES },
): DecompressedKernel {
  if (codec === "bzip2" || codec === "lzo") {
    throw fail("unsupported", codec, `there is no decoder for ${codec} here`);
  }
  const mostBytes = Math.min(MAX_KERNEL_BYTES, budget.leftBytes);
  if (mostBytes < Math.max(1, plainSizeBytes ?? 0)) {
    throw fail("limit", codec, `it holds more than ${mostBytes} bytes`);
  }
  const boundBytes = plainSizeBytes ?? mostBytes;
  budget.leftBytes -= boundBytes;
  const plain = decode(bytes, codec, boundBytes, plainSizeBytes);
  budget.leftBytes += boundBytes - plain.bytes.length;
  if (plainSizeBytes === undefined || plain.bytes.length === plainSizeBytes) return plain;
  throw fail("corrupt", codec, `${plain.bytes.length} of ${plainSizeBytes} bytes came out`);
}

function decode(
  bytes: Uint8Array,
  codec: Exclude<KernelCodec, "bzip2" | "lzo">,
  boundBytes: number,
  plainSizeBytes: number | undefined,
): DecompressedKernel {
  try {
    if (codec === "lz4") {
      return { bytes: decompressLz4Legacy(bytes, boundBytes), storedBytes: bytes.length };
    }
    if (codec === "lzma") {
      return { bytes: decodeLzma(bytes, boundBytes, plainSizeBytes), storedBytes: bytes.length };
    }
    const { bytes: plain, endBytes } = decompressAt(bytes, 0, codec, boundBytes);
    return { bytes: plain, storedBytes: endBytes };
  } catch (error) {
    const isOther = error instanceof FastboopError && error.kind === "limit" &&
      plainSizeBytes !== undefined;
    if (!isOther) throw error;
    throw fail("corrupt", codec, `more than the ${plainSizeBytes} bytes behind it came out`);
  }
}

/** The header's own size may be unknown (all ones), which is what `xz --format=lzma` writes to a pipe. */
function decodeLzma(
  bytes: Uint8Array,
  boundBytes: number,
  plainSizeBytes: number | undefined,
): Uint8Array {
  if (bytes.length < LZMA_HEADER_BYTES + 5) throw fail("corrupt", "lzma", "it is cut short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stated = view.getBigUint64(5, true);
  const size = stated === 0xffffffffffffffffn ? plainSizeBytes : Number(stated);
  if (size === undefined) throw fail("unsupported", "lzma", "nothing tells its plain size");
  if (size > boundBytes) throw fail("limit", "lzma", `it holds more than ${boundBytes} bytes`);
  if (size > bytes.length * MOST_TIMES_SMALLER) {
    throw fail("corrupt", "lzma", `${bytes.length} bytes claim to hold ${size}`);
  }
  const stream = bytes.slice(LZMA_HEADER_BYTES);
  if (stream[0] !== 0) throw fail("corrupt", "lzma", "its range coder does not begin with zero");
  stream[0] = ~bytes[0]! & 0xff;
  const plain = new Uint8Array(size);
  if (!decodeMicroLzma(stream, plain)) {
    throw fail("corrupt", "lzma", "it is broken or cut short");
  }
  return plain;
}

function fail(
  kind: "corrupt" | "limit" | "unsupported",
  codec: KernelCodec,
  state: string,
): FastboopError {
  return new FastboopError({ kind, action: `Decompress the kernel's ${codec} stream`, state });
}
