/** The compressed kernel inside a bzImage (Documentation/arch/x86/boot.rst, payload_offset and _length). */
import { FastboopError } from "../errors/errors.ts";
import { parseBzImage } from "./bzimage.ts";
import { decompressKernel, kernelCodec, type UnpackBudget } from "./decompress_kernel.ts";

/**
 * The ELF file that a bzImage unpacks at start.
 *
 * @param budget as decompressKernel() takes it.
 * @throws {FastboopError} `corrupt`, `limit`; `unsupported` for bzip2 and lzo.
 */
export function unpackBzImage(
  bytes: Uint8Array,
  what: string,
  budget?: UnpackBudget,
): Uint8Array {
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
  const payload = bytes.subarray(start, start + sizeBytes);
  const codec = kernelCodec(payload) ?? fail("unsupported", "its payload is in no known codec");
  if (codec === "gzip") return decompressKernel(payload, codec, undefined, budget).bytes;
  // All codecs but gzip are followed by the size of the plain kernel, which gzip holds itself.
  const plainSizeBytes = view.getUint32(start + sizeBytes - 4, true);
  const stream = payload.subarray(0, sizeBytes - 4);
  return decompressKernel(stream, codec, plainSizeBytes, budget).bytes;
}
