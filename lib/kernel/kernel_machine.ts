/** Which machine a kernel file is for, as far as its first bytes tell. */
import { constants, gunzipSync, zstdDecompressSync } from "node:zlib";
import { FastboopError } from "../errors/errors.ts";
import type { Arch } from "./arch.ts";
import { isArm64Image } from "./arm64_image.ts";
import { BZIMAGE_HEADER_BYTES, isBzImage } from "./bzimage.ts";
import { kernelCodec } from "./decompress_kernel.ts";
import { isZboot } from "./zboot.ts";

/** `Machine` of the PE header (include/linux/pe.h). */
const PE_MACHINES: Readonly<Record<number, string>> = {
  0x8664: "x86_64",
  0x14c: "i386",
  0xaa64: "aarch64",
  0x1c2: "arm",
  0x5064: "riscv64",
  0x6264: "loongarch64",
};
/** e_machine of an ELF file (include/uapi/linux/elf-em.h). */
const ELF_MACHINES: Readonly<Record<number, string>> = {
  3: "i386",
  40: "arm",
  62: "x86_64",
  183: "aarch64",
  243: "riscv64",
  258: "loongarch64",
};
/** arch/arm/boot/compressed/head.S, at byte 36. */
const ZIMAGE_MAGIC = 0x016f2818;
/** `RSC\x05` at byte 56 (Documentation/arch/riscv/boot-image-header.rst). */
const RISCV_MAGIC = 0x05435352;
/** Of a gzip stream; it gives a thousand times as much at most. */
const GZIP_LOOK_BYTES = 4096;
const MAX_LOOK_BYTES = 8 << 20;

/**
 * Refuses a kernel that tells it is for another machine, also through gzip or zstd around it.
 *
 * @param bytes the first ones of the file: a longer part than a bzImage's header is not looked at.
 * @throws {FastboopError} `unsupported` naming both machines; none for a file that does not tell.
 */
export function refuseOtherMachine(bytes: Uint8Array, arch: Arch, what: string): void {
  const head = bytes.subarray(0, BZIMAGE_HEADER_BYTES);
  const machine = kernelMachine(head) ?? kernelMachine(beginningInside(head));
  if (machine === undefined || machine === arch) return;
  throw new FastboopError({
    kind: "unsupported",
    action: `Use kernel ${what}`,
    state: `it is for ${machine}, the device is ${arch}`,
  });
}

/** Undefined for what is compressed as a whole, and for other files. */
function kernelMachine(head: Uint8Array): string | undefined {
  if (head.length < 64) return undefined;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (isBzImage(head)) return "x86_64";
  if (isArm64Image(head)) return "aarch64";
  if (view.getUint32(36, true) === ZIMAGE_MAGIC) return "arm";
  if (view.getUint32(56, true) === RISCV_MAGIC) return "riscv64";
  if (view.getUint32(0, false) === 0x7f454c46) return ELF_MACHINES[view.getUint16(18, true)];
  if (!isZboot(head)) return undefined;
  const pe = view.getUint32(0x3c, true);
  return pe + 6 <= head.length ? PE_MACHINES[view.getUint16(pe + 4, true)] : undefined;
}

/** What the part of a stream that is there unpacks to; nothing when it is none, or broken. */
function beginningInside(head: Uint8Array): Uint8Array {
  const codec = kernelCodec(head);
  const options = { maxOutputLength: MAX_LOOK_BYTES };
  try {
    if (codec === "gzip") {
      const part = head.subarray(0, GZIP_LOOK_BYTES);
      return gunzipSync(part, { ...options, finishFlush: constants.Z_SYNC_FLUSH });
    }
    // The decoder gives the blocks that are whole.
    if (codec === "zstd") return zstdDecompressSync(head, options);
  } catch {
    // Whoever reads all of it says what is wrong.
  }
  return new Uint8Array();
}
