/** Which machine a kernel file is for, as far as its first bytes tell. */
import { isArm64Image } from "../arm64_image.ts";
import { isBzImage } from "../bzimage.ts";
import { isZboot } from "../zboot.ts";

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

/** `x86_64`, `aarch64` or another name; undefined for what is compressed as a whole, and for other files. */
export function kernelMachine(head: Uint8Array): string | undefined {
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
