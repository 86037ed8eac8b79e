/**
 * The legacy LZ4 frame, in which kernels are compressed: the magic, then blocks of a u32 size and an LZ4
 * block that unpacks to 8 MiB, the last one to less. Little-endian, no checksums.
 *
 * Source: lz4_Frame_format.md of the LZ4 project; lib/decompress_unlz4.c of the kernel.
 */
import { concat } from "../bytes/concat.ts";
import { decodeLz4Block } from "../bytes/lz4_block.ts";
import { FastboopError } from "../errors/errors.ts";

const MAGIC = 0x184c2102;
const BLOCK_BYTES = 8 << 20;

/** Whether a legacy LZ4 frame starts there. */
export function isLz4Legacy(bytes: Uint8Array): boolean {
  return bytes.length >= 8 &&
    new DataView(bytes.buffer, bytes.byteOffset, 8).getUint32(0, true) === MAGIC;
}

/**
 * Unpacks one frame. Kernels may append their plain size, which is left alone.
 *
 * @throws {FastboopError} `corrupt` when the stream is broken, `limit` above `limitBytes`.
 */
export function decompressLz4Legacy(bytes: Uint8Array, limitBytes: number): Uint8Array {
  const fail = (state: string, kind: "corrupt" | "limit" = "corrupt"): never => {
    throw new FastboopError({ kind, action: "Decompress the lz4 stream", state });
  };
  if (!isLz4Legacy(bytes)) fail("it is no legacy frame");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Uint8Array(BLOCK_BYTES);
  const parts: Uint8Array[] = [];
  let totalBytes = 0;
  let at = 4;
  for (let isLast = false; !isLast && at + 4 < bytes.length;) {
    const storedBytes = view.getUint32(at, true);
    at += 4;
    if (storedBytes > bytes.length - at) fail("it is cut short");
    const block = decodeLz4Block(bytes.subarray(at, at + storedBytes), out);
    if (!block?.complete) return fail(`the block at ${at} is broken`);
    totalBytes += block.written;
    if (totalBytes > limitBytes) fail(`it holds more than ${limitBytes} bytes`, "limit");
    parts.push(out.slice(0, block.written));
    isLast = block.written < BLOCK_BYTES;
    at += storedBytes;
  }
  return concat(parts);
}
