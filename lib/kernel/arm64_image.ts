/**
 * The arm64 boot image, uncompressed.
 *
 *   8 u64 text_offset    16 u64 image_size (BSS included)    24 u64 flags, bit 0: big-endian
 *   56 "ARMd"
 *
 * Source: Documentation/arch/arm64/booting.rst.
 */
import { FastboopError } from "../errors/errors.ts";
import { linuxBanner } from "./linux_banner.ts";

export interface Arm64Image {
  /** Its `Linux version` text without these two words. */
  readonly banner: string;
  readonly release: string;
}

const MAGIC = 0x644d5241; // "ARMd"
/** The largest kernel anybody boots from a phone's loader is far below. */
const MAX_IMAGE_BYTES = 1 << 30;

/** Whether the bytes start with an arm64 Image header. */
export function isArm64Image(bytes: Uint8Array): boolean {
  return bytes.length >= 64 &&
    new DataView(bytes.buffer, bytes.byteOffset, 64).getUint32(56, true) === MAGIC;
}

/**
 * Reads and checks a whole uncompressed Image.
 *
 * @throws {FastboopError} `corrupt` when it is none, `unsupported` when it is big-endian.
 */
export function parseArm64Image(bytes: Uint8Array, what: string): Arm64Image {
  const fail = (state: string, kind: "corrupt" | "unsupported" = "corrupt"): never => {
    throw new FastboopError({ kind, action: `Read arm64 kernel image ${what}`, state });
  };
  if (!isArm64Image(bytes)) fail('the magic at offset 56 is not "ARMd"');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const textOffset = view.getBigUint64(8, true);
  const imageSize = view.getBigUint64(16, true);
  if ((view.getUint32(24, true) & 1) !== 0) fail("it is a big-endian kernel", "unsupported");
  if (imageSize > BigInt(MAX_IMAGE_BYTES) || textOffset > BigInt(MAX_IMAGE_BYTES)) {
    fail(`the header claims ${imageSize} bytes at ${textOffset}`);
  }
  const banner = linuxBanner(bytes) ?? fail('it holds no "Linux version" text: it is cut short');
  return { banner, release: banner.split(" ")[0]! };
}
