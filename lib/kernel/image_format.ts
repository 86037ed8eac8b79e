/**
 * A kernel image as a tree or a root file system stores it -> the image a loader starts.
 *
 * x86: a bzImage stays as it is. arm64: gzip and EFI zboot are unwrapped to the plain Image; encoding it
 * again for a boot image is the business of bootimg/.
 */
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { FastboopError } from "../errors/errors.ts";
import type { Arch } from "./arch.ts";
import { isArm64Image, parseArm64Image } from "./arm64_image.ts";
import { parseBzImage } from "./bzimage.ts";
import { isZboot, parseZboot } from "./zboot.ts";

/** Largest uncompressed kernel that is unwrapped. */
export const MAX_KERNEL_BYTES = 256 << 20;

/** A kernel that can be started. */
export interface KernelImage {
  readonly arch: Arch;
  /** bzImage on x86_64, plain Image on aarch64. */
  readonly bytes: Uint8Array;
  /** The same as one gzip stream, when it was stored so: nobody needs to compress it again. */
  readonly gzip?: Uint8Array;
  /** Release of its banner. */
  readonly release: string;
  /** `6.12.3-lab (who@where) ... #1 SMP ...`. */
  readonly banner: string;
}

/**
 * Recognises and unwraps a kernel image by its content.
 *
 * @param what names the file in errors.
 * @throws {FastboopError} `corrupt` when it is no whole image of `arch`, `unsupported` for other formats
 * and codecs, `limit` above {@link MAX_KERNEL_BYTES}.
 */
export function unwrapKernelImage(stored: Uint8Array, arch: Arch, what: string): KernelImage {
  if (stored.length > MAX_KERNEL_BYTES) throw tooLarge(what);
  if (arch === "x86_64") return { arch, bytes: stored, ...pick(parseBzImage(stored, what)) };
  if (stored[0] === 0x1f && stored[1] === 0x8b) {
    const bytes = inflate(stored, what);
    return { arch, bytes, gzip: stored, ...pick(parseArm64Image(bytes, what)) };
  }
  if (isArm64Image(stored)) return { arch, bytes: stored, ...pick(parseArm64Image(stored, what)) };
  if (!isZboot(stored)) {
    throw new FastboopError({
      kind: "unsupported",
      action: `Read arm64 kernel image ${what}`,
      state: "it is neither an Image, nor gzip, nor EFI zboot",
      hint: "Build one of them: `make Image.gz`",
    });
  }
  const zboot = parseZboot(stored, what);
  const bytes = unwrapZboot(zboot.codec, zboot.payload, zboot.plainSizeBytes, what);
  const gzip = zboot.codec === "gzip" ? { gzip: zboot.payload } : {};
  return { arch, bytes, ...gzip, ...pick(parseArm64Image(bytes, what)) };
}

function pick({ release, banner }: { release: string; banner: string }) {
  return { release, banner };
}

function unwrapZboot(
  codec: string,
  payload: Uint8Array,
  plainSizeBytes: number | undefined,
  what: string,
): Uint8Array {
  if (codec === "gzip") return inflate(payload, what);
  if (!codec.startsWith("zstd")) {
    throw new FastboopError({
      kind: "unsupported",
      action: `Read EFI zboot image ${what}`,
      state: `its payload is compressed with "${codec.slice(0, 32)}"`,
      hint: "Set CONFIG_KERNEL_GZIP=y or CONFIG_KERNEL_ZSTD=y, or build `make Image.gz`",
    });
  }
  if (plainSizeBytes! > MAX_KERNEL_BYTES) throw tooLarge(what);
  const bytes = guard(
    what,
    () => zstdDecompressSync(payload, { maxOutputLength: MAX_KERNEL_BYTES }),
  );
  if (bytes.length === plainSizeBytes) return bytes;
  throw broken(what, `${bytes.length} of ${plainSizeBytes} bytes came out`);
}

function inflate(gzip: Uint8Array, what: string): Uint8Array {
  return guard(what, () => gunzipSync(gzip, { maxOutputLength: MAX_KERNEL_BYTES }));
}

function guard(what: string, decompress: () => Uint8Array): Uint8Array {
  try {
    return decompress();
  } catch (cause) {
    if ((cause as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(what);
    throw broken(what, "the compressed stream is broken or cut short", cause);
  }
}

function broken(what: string, state: string, cause?: unknown): FastboopError {
  const action = `Decompress kernel image ${what}`;
  return new FastboopError({ kind: "corrupt", action, state, cause });
}

function tooLarge(what: string): FastboopError {
  return new FastboopError({
    kind: "limit",
    action: `Read kernel image ${what}`,
    state: `it is larger than ${MAX_KERNEL_BYTES} bytes`,
  });
}
