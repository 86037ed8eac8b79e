/** What a boot image holds besides its initramfs, as the digests that a build stamp has of it. */
import { createHash } from "node:crypto";
import type { BootImage } from "../bootimg/parse.ts";
import { compressionAt, decompressAt } from "../filesystems/cpio/decompress_at.ts";
import { MAX_KERNEL_BYTES } from "../kernel/image_format.ts";

export interface HeldInputs {
  /** SHA-256 of the kernel as a loader starts it. */
  readonly kernel?: string;
  /** SHA-256 of the device tree, behind the kernel or in its own section. */
  readonly dtb?: string;
}

const FDT_MAGIC = 0xd00dfeed;
const FDT_HEADER_BYTES = 40;

/**
 * Undoes encodeKernel(): what is compressed is unpacked, a device tree behind it is taken off.
 *
 * @throws {FastboopError} `corrupt` and `limit` from a damaged gzip stream.
 */
export function heldInputs({ kernel, dtb }: Pick<BootImage, "kernel" | "dtb">): HeldInputs {
  if (kernel.length === 0) return {};
  const isGzip = compressionAt(kernel) === "gzip";
  const tail = dtb.length > 0 ? 0 : appendedDtbBytes(kernel);
  const own = kernel.subarray(0, kernel.length - tail);
  const plain = isGzip ? decompressAt(own, 0, "gzip", MAX_KERNEL_BYTES * 2).bytes : own;
  const tree = tail > 0 ? kernel.subarray(kernel.length - tail) : dtb;
  return { kernel: sha256(plain), ...(tree.length === 0 ? {} : { dtb: sha256(tree) }) };
}

/** Size of the device tree that ends where the kernel's section does, 0 for none. */
function appendedDtbBytes(kernel: Uint8Array): number {
  const view = new DataView(kernel.buffer, kernel.byteOffset, kernel.byteLength);
  for (let at = kernel.lastIndexOf(FDT_MAGIC >>> 24); at > 0;) {
    const sizeBytes = kernel.length - at;
    const isTree = sizeBytes >= FDT_HEADER_BYTES && view.getUint32(at) === FDT_MAGIC &&
      view.getUint32(at + 4) === sizeBytes;
    if (isTree) return sizeBytes;
    at = kernel.lastIndexOf(FDT_MAGIC >>> 24, at - 1);
  }
  return 0;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
