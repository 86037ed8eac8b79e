/**
 * A kernel image as a tree or a root file system stores it -> the image a loader starts.
 *
 * x86: a bzImage stays as it is. arm64: what compresses it and EFI zboot are unwrapped to the plain Image;
 * encoding it again for a boot image is the business of bootimg/.
 */
import { FastboopError } from "../errors/errors.ts";
import type { Arch } from "./arch.ts";
import { isArm64Image, parseArm64Image } from "./arm64_image.ts";
import { parseBzImage } from "./bzimage.ts";
import {
  decompressKernel,
  kernelCodec,
  MAX_KERNEL_BYTES,
  type UnpackBudget,
} from "./decompress_kernel.ts";
import { refuseOtherMachine } from "./kernel_machine.ts";
import { isZboot, parseZboot } from "./zboot.ts";

export { MAX_KERNEL_BYTES };

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

/** A gzipped zboot image: nothing is wrapped deeper. */
const MAX_LAYERS = 3;

/**
 * Recognises and unwraps a kernel image by its content.
 *
 * @param what names the file in errors.
 * @param budget for all layers together, and for other kernels when they share it.
 * @throws {FastboopError} `corrupt` when it is no whole image of `arch`, `unsupported` for other machines,
 * formats and codecs, `limit` above {@link MAX_KERNEL_BYTES} or the budget.
 */
export function unwrapKernelImage(
  stored: Uint8Array,
  arch: Arch,
  what: string,
  budget: UnpackBudget = { leftBytes: MAX_KERNEL_BYTES },
): KernelImage {
  if (stored.length > MAX_KERNEL_BYTES) {
    const state = `it is larger than ${MAX_KERNEL_BYTES} bytes`;
    throw new FastboopError({ kind: "limit", action: `Read kernel image ${what}`, state });
  }
  refuseOtherMachine(stored, arch, what);
  if (arch === "x86_64") return { arch, bytes: stored, ...parseBzImage(stored, what) };
  let bytes = stored;
  let gzip: Uint8Array | undefined;
  for (let layer = 0; layer < MAX_LAYERS && !isArm64Image(bytes); layer++) {
    const inner = unwrapLayer(bytes, what, budget);
    if (inner === undefined) {
      if (layer === 0) throw unknown(what);
      break;
    }
    ({ bytes, gzip } = inner);
    refuseOtherMachine(bytes, arch, what);
  }
  const facts = parseArm64Image(bytes, what);
  return { arch, bytes, ...(gzip === undefined ? {} : { gzip }), ...facts };
}

interface Layer {
  readonly bytes: Uint8Array;
  readonly gzip: Uint8Array | undefined;
}

function unwrapLayer(bytes: Uint8Array, what: string, budget: UnpackBudget): Layer | undefined {
  const zboot = isZboot(bytes) ? parseZboot(bytes, what) : undefined;
  const payload = zboot?.payload ?? bytes;
  const codec = kernelCodec(payload);
  if (codec === undefined) {
    if (zboot === undefined) return undefined;
    const state = `its payload is no ${zboot.codec.slice(0, 32)} stream`;
    throw new FastboopError({ kind: "corrupt", action: `Read EFI zboot image ${what}`, state });
  }
  try {
    const plain = decompressKernel(payload, codec, zboot?.plainSizeBytes, budget);
    // A device tree may follow the stream.
    const gzip = codec === "gzip" ? payload.subarray(0, plain.storedBytes) : undefined;
    return { bytes: plain.bytes, gzip };
  } catch (error) {
    if (!(error instanceof FastboopError)) throw error;
    throw new FastboopError({
      kind: error.kind,
      action: `Decompress kernel image ${what}`,
      state: error.state,
      ...(error.kind === "unsupported"
        ? { hint: "Set CONFIG_KERNEL_GZIP=y or CONFIG_KERNEL_ZSTD=y, or build `make Image.gz`" }
        : {}),
      cause: error,
    });
  }
}

function unknown(what: string): FastboopError {
  return new FastboopError({
    kind: "unsupported",
    action: `Read arm64 kernel image ${what}`,
    state: "it is neither an Image, nor EFI zboot, nor a compressed one of them",
    hint: "Build one of them: `make Image.gz`",
  });
}
