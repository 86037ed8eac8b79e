/**
 * Any kernel file -> the uncompressed kernel in it, to look something up there: vmlinux, arm64 Image, EFI
 * zboot, bzImage, and what gzip, zstd, xz or lz4 made of one.
 *
 * What is to be booted goes through image_format.ts instead, which leaves a bzImage as it is.
 */
import { FastboopError } from "../errors/errors.ts";
import { compressionAt, decompressAt } from "../filesystems/cpio/decompress_at.ts";
import { decompressLz4Legacy, isLz4Legacy } from "./decompress_lz4_legacy.ts";
import { MAX_KERNEL_BYTES } from "./image_format.ts";
import { unpackBzImage } from "./unpack_bzimage.ts";
import { isZboot, parseZboot } from "./zboot.ts";

/** A gzipped zboot image: nothing is wrapped deeper. */
const MAX_LAYERS = 3;
/** First bytes of codecs that are known but not read. */
const UNREAD: readonly [string, readonly number[]][] = [
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["lzma", [0x5d, 0, 0]],
  ["lzo", [0x89, 0x4c, 0x5a]],
];

/**
 * Unwraps until nothing known is around it; what has no known wrapping comes back as it is.
 *
 * @throws {FastboopError} `corrupt` when a stream is broken, `unsupported` for codecs there is no decoder
 * of, `limit` above 256 MiB.
 */
export function unpackKernel(stored: Uint8Array, what: string): Uint8Array {
  let bytes = stored;
  try {
    for (let layer = 0; layer < MAX_LAYERS; layer++) {
      const inner = unwrap(bytes, what);
      if (inner === undefined) return bytes;
      bytes = inner;
    }
    return bytes;
  } catch (error) {
    if (!(error instanceof FastboopError)) throw error;
    throw new FastboopError({
      kind: error.kind,
      action: `Look into ${what}`,
      state: error.message,
      ...(error.kind === "unsupported"
        ? { hint: "Unpack it first, or give the vmlinux or the .config" }
        : {}),
      cause: error,
    });
  }
}

function unwrap(bytes: Uint8Array, what: string): Uint8Array | undefined {
  if (isZboot(bytes)) {
    const { codec, payload } = parseZboot(bytes, what);
    return decompress(payload) ?? unread(codec);
  }
  if (isBzImage(bytes)) return unpackBzImage(bytes, what);
  return decompress(bytes);
}

function decompress(bytes: Uint8Array): Uint8Array | undefined {
  const compression = compressionAt(bytes);
  if (compression !== undefined) {
    return decompressAt(bytes, 0, compression, MAX_KERNEL_BYTES).bytes;
  }
  if (isLz4Legacy(bytes)) return decompressLz4Legacy(bytes, MAX_KERNEL_BYTES);
  const other = UNREAD.find(([, magic]) => magic.every((byte, i) => bytes[i] === byte));
  return other && unread(other[0]);
}

function isBzImage(bytes: Uint8Array): boolean {
  return [..."HdrS"].every((c, i) => bytes[0x202 + i] === c.charCodeAt(0));
}

function unread(codec: string): never {
  throw new FastboopError({
    kind: "unsupported",
    action: "Decompress the kernel",
    state: `there is no decoder for ${codec.slice(0, 32)} here`,
  });
}
