/**
 * Any kernel file -> the uncompressed kernel in it, to look something up there: vmlinux, arm64 Image, EFI
 * zboot, bzImage, and what gzip, zstd, xz, lz4 or lzma made of one.
 *
 * What is to be booted goes through image_format.ts instead, which leaves a bzImage as it is.
 */
import { FastboopError } from "../errors/errors.ts";
import { isBzImage } from "./bzimage.ts";
import {
  decompressKernel,
  kernelCodec,
  MAX_KERNEL_BYTES,
  type UnpackBudget,
} from "./decompress_kernel.ts";
import { unpackBzImage } from "./unpack_bzimage.ts";
import { isZboot, parseZboot } from "./zboot.ts";

/** A gzipped zboot image: nothing is wrapped deeper. */
const MAX_LAYERS = 3;
/**
 * Unwraps until nothing known is around it; what has no known wrapping comes back as it is.
 *
 * @throws {FastboopError} `corrupt` when a stream is broken, `unsupported` for codecs there is no decoder
 * of, `limit` above 256 MiB, all layers together.
 */
export function unpackKernel(stored: Uint8Array, what: string): Uint8Array {
  let bytes = stored;
  const budget = { leftBytes: MAX_KERNEL_BYTES };
  try {
    for (let layer = 0; layer < MAX_LAYERS; layer++) {
      const inner = unwrap(bytes, what, budget);
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

function unwrap(bytes: Uint8Array, what: string, budget: UnpackBudget): Uint8Array | undefined {
  if (isBzImage(bytes)) return unpackBzImage(bytes, what, budget);
  const zboot = isZboot(bytes) ? parseZboot(bytes, what) : undefined;
  const payload = zboot?.payload ?? bytes;
  const codec = kernelCodec(payload);
  if (codec === undefined) return zboot && unread(zboot.codec);
  return decompressKernel(payload, codec, zboot?.plainSizeBytes, budget).bytes;
}

function unread(codec: string): never {
  throw new FastboopError({
    kind: "unsupported",
    action: "Decompress the kernel",
    state: `there is no decoder for ${codec.slice(0, 32)} here`,
  });
}
