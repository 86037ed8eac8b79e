/** The compressed kernel inside a bzImage (Documentation/arch/x86/boot.rst, payload_offset and _length). */
import { FastboopError } from "../errors/errors.ts";
import { compressionAt, decompressAt } from "../filesystems/cpio/decompress_at.ts";
import { parseBzImage } from "./bzimage.ts";
import { MAX_KERNEL_BYTES } from "./image_format.ts";

/**
 * The ELF file that a bzImage unpacks at start.
 *
 * @throws {FastboopError} `corrupt`, `limit`; `unsupported` for codecs other than gzip, zstd and xz without
 * the x86 filter.
 */
export function unpackBzImage(bytes: Uint8Array, what: string): Uint8Array {
  parseBzImage(bytes, what);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const setupBytes = ((bytes[0x1f1]! || 4) + 1) * 512;
  const start = setupBytes + view.getUint32(0x248, true);
  const sizeBytes = view.getUint32(0x24c, true);
  const fail = (kind: "corrupt" | "unsupported", state: string): never => {
    throw new FastboopError({ kind, action: `Unpack x86 kernel image ${what}`, state });
  };
  if (sizeBytes < 4 || start + sizeBytes > bytes.length) {
    fail("corrupt", `its payload of ${sizeBytes} bytes at ${start} is not in it`);
  }
  // All codecs but gzip are followed by the size of the plain kernel, which gzip holds itself.
  const payload = bytes.subarray(start, start + sizeBytes);
  const compression = compressionAt(payload) ??
    fail("unsupported", "its payload is neither gzip nor zstd nor xz");
  const stream = compression === "gzip" ? payload : payload.subarray(0, sizeBytes - 4);
  return decompressAt(stream, 0, compression, MAX_KERNEL_BYTES).bytes;
}
