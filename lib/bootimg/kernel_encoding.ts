/**
 * A kernel as the boot loader wants it: compressed or not, devicetree appended or not.
 *
 * Deterministic: the gzip header carries no time, name or system (RFC 1952 section 2.3).
 */
import { gzipSync } from "node:zlib";
import { FastboopError } from "../errors/errors.ts";

export const KERNEL_ENCODINGS = ["image", "image.gz", "image+dtb", "image.gz+dtb"] as const;

export type KernelEncoding = typeof KERNEL_ENCODINGS[number];

const GZIP_OS_OFFSET = 9;
const GZIP_OS_UNKNOWN = 255;

/** An uncompressed kernel, for arm64 the `Image`. */
export interface RawKernel {
  readonly bytes: Uint8Array;
  /** The same as one gzip stream, when somebody has it already. */
  readonly gzip?: Uint8Array;
}

/** Whether the encoding carries the devicetree behind the kernel. */
export function appendsDevicetree(encoding: KernelEncoding): boolean {
  return encoding.endsWith("+dtb");
}

/**
 * Encodes a kernel as parts in order.
 *
 * @param dtb the devicetree; used by the `+dtb` encodings, which need it
 * @throws {FastboopError} `unsupported` for lz4 and zstd and for a kernel that is compressed already,
 * `usage` without the devicetree that is to be appended.
 */
export function encodeKernel(
  kernel: Uint8Array | RawKernel,
  dtb: Uint8Array | undefined,
  encoding: string,
): Uint8Array[] {
  const raw: RawKernel = kernel instanceof Uint8Array ? { bytes: kernel } : kernel;
  const known = KERNEL_ENCODINGS.find((one) => one === encoding);
  if (known === undefined) {
    throw refuse("unsupported", `making "${encoding}" is not supported`, {
      hint: `Use one of ${KERNEL_ENCODINGS.join(", ")} in the device profile`,
    });
  }
  if (raw.bytes[0] === 0x1f && raw.bytes[1] === 0x8b) {
    throw refuse("unsupported", "the kernel is compressed already, the raw image is needed");
  }
  const compress = known.startsWith("image.gz");
  const parts = [compress ? raw.gzip ?? gzip(raw.bytes) : raw.bytes];
  if (!appendsDevicetree(known)) return parts;
  if (!dtb) throw refuse("usage", `"${known}" appends a devicetree, and there is none`);
  return [...parts, dtb];
}

/** Level 1: a phone takes a few more megabytes in less time than a higher level needs. */
function gzip(image: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(gzipSync(image, { level: 1 }));
  bytes[GZIP_OS_OFFSET] = GZIP_OS_UNKNOWN;
  return bytes;
}

function refuse(
  kind: "unsupported" | "usage",
  state: string,
  more: { hint?: string } = {},
): FastboopError {
  return new FastboopError({ kind, action: "Encode the kernel", state, ...more });
}
