/**
 * The EFI zboot image (vmlinuz.efi): a small PE program that holds a compressed kernel.
 *
 *   0 "MZ\0\0"   4 "zimg"   8 u32 payload offset   12 u32 payload size   24 codec name, NUL-ended
 *
 * A payload that is not gzip is followed by its plain size, u32, which the size field leaves out.
 * Source: drivers/firmware/efi/libstub/zboot-header.S and Makefile.zboot.
 */
import { FastboopError } from "../errors/errors.ts";

export interface Zboot {
  /** `gzip`, `zstd22`, `lz4`, `lzma`, `lzo`, `xzkern`. */
  readonly codec: string;
  readonly payload: Uint8Array;
  /** Absent for gzip, whose own trailer has it. */
  readonly plainSizeBytes?: number;
}

/** Whether the bytes start with a zboot header. */
export function isZboot(bytes: Uint8Array): boolean {
  if (bytes.length < 64) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 64);
  return view.getUint16(0, false) === 0x4d5a && view.getUint32(4, false) === 0x7a696d67;
}

/** @throws {FastboopError} `corrupt` when the payload lies outside of the file. */
export function parseZboot(bytes: Uint8Array, what: string): Zboot {
  const fail = (state: string): never => {
    throw new FastboopError({ kind: "corrupt", action: `Read EFI zboot image ${what}`, state });
  };
  if (!isZboot(bytes)) fail("it has no zimg header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const offset = view.getUint32(8, true);
  const size = view.getUint32(12, true);
  const end = offset + size;
  if (size === 0 || end > bytes.length) fail(`its payload ends at ${end} of ${bytes.length} bytes`);
  const name = bytes.subarray(24, 56);
  const nameEnd = name.indexOf(0);
  if (nameEnd < 0) fail("the name of its codec has no end");
  const codec = new TextDecoder("latin1").decode(name.subarray(0, nameEnd));
  const payload = bytes.subarray(offset, end);
  if (codec === "gzip") return { codec, payload };
  if (end + 4 > bytes.length) fail("the plain size behind its payload is missing");
  return { codec, payload, plainSizeBytes: view.getUint32(end, true) };
}
