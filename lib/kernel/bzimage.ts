/**
 * The x86 boot image: a real-mode header with a setup part, then the compressed kernel.
 *
 *   0x1f1 u8  setup_sects (0 means 4)      0x202 "HdrS"
 *   0x1f4 u32 syssize, in 16 bytes         0x206 u16 protocol version
 *   0x1fe u16 0xaa55                       0x20e u16 kernel_version: text at 0x200 + this
 *                                          0x236 u16 xloadflags, bit 0: has the 64-bit entry
 *
 * Source: Documentation/arch/x86/boot.rst. It is never unwrapped: the loader wants it as it is, and its
 * EFI stub makes it look like other formats.
 */
import { FastboopError } from "../errors/errors.ts";

export interface BzImage {
  /** The whole version text: `6.12.3-lab (who@where) #1 SMP ...`. */
  readonly banner: string;
  /** Its first word. */
  readonly release: string;
}

const MAGIC = 0x53726448; // "HdrS"
const XLOADFLAGS_PROTOCOL = 0x020c;
const XLF_KERNEL_64 = 1;
const MAX_BANNER_BYTES = 512;
/** The setup part takes no more: 256 sectors of 512 bytes. */
export const BZIMAGE_HEADER_BYTES = 128 << 10;

/** Whether the bytes start with the header of an x86 boot image, of whatever age. */
export function isBzImage(bytes: Uint8Array): boolean {
  if (bytes.length < 0x206) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint16(0x1fe, true) === 0xaa55 && view.getUint32(0x202, true) === MAGIC;
}

/**
 * Reads and checks the header of a whole bzImage.
 *
 * @throws {FastboopError} `corrupt` when it is none or cut short, `unsupported` without a 64-bit entry.
 */
export function parseBzImage(bytes: Uint8Array, what: string): BzImage {
  return parseBzImageHeader(bytes, bytes.length, what);
}

/**
 * The same for a file of `sizeBytes` of which `bytes` are the first, all or {@link BZIMAGE_HEADER_BYTES}.
 *
 * @throws {FastboopError} as parseBzImage().
 */
export function parseBzImageHeader(bytes: Uint8Array, sizeBytes: number, what: string): BzImage {
  const fail = (state: string, kind: "corrupt" | "unsupported" = "corrupt"): never => {
    throw new FastboopError({ kind, action: `Read x86 kernel image ${what}`, state });
  };
  if (bytes.length < 0x268) fail(`it has only ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isBzImage(bytes)) {
    const elf = view.getUint32(0, false) === 0x7f454c46;
    fail(elf ? "it is an ELF file (a vmlinux), not a bzImage" : "it has no HdrS header");
  }
  const protocol = view.getUint16(0x206, true);
  if (protocol < XLOADFLAGS_PROTOCOL) {
    fail(`boot protocol 0x${protocol.toString(16)} is older than 0x20c`, "unsupported");
  }
  if ((view.getUint16(0x236, true) & XLF_KERNEL_64) === 0) {
    fail("it is a 32-bit kernel", "unsupported");
  }
  const setupBytes = ((bytes[0x1f1]! || 4) + 1) * 512;
  const wholeBytes = setupBytes + view.getUint32(0x1f4, true) * 16;
  if (sizeBytes < wholeBytes) fail(`it has ${sizeBytes} of ${wholeBytes} bytes`);
  const start = 0x200 + view.getUint16(0x20e, true);
  const end = bytes.indexOf(0, start);
  if (start === 0x200 || end < 0 || end > setupBytes || end - start > MAX_BANNER_BYTES) {
    fail("it holds no version text");
  }
  const banner = new TextDecoder("latin1").decode(bytes.subarray(start, end));
  return { banner, release: banner.split(" ")[0]! };
}
