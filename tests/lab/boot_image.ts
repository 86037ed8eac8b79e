/**
 * The boot image as a bootloader reads it: written from AOSP's bootimg.h and mkbootimg, and nothing of
 * lib/bootimg, so that the two check each other. Header versions 0 and 2.
 */
import { createHash } from "node:crypto";

export interface BootImage {
  headerVersion: number;
  pageBytes: number;
  kernel: Uint8Array;
  ramdisk: Uint8Array;
  /** Empty below version 2. */
  deviceTree: Uint8Array;
  commandLine: string;
}

const HEADER_BYTES: Record<number, number> = { 0: 1632, 2: 1660 };

function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder("ascii").decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** mkbootimg's id: SHA-1 over each section and its length, absent ones with length zero. */
function imageId(sections: readonly Uint8Array[]): string {
  const hash = createHash("sha1");
  for (const section of sections) {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, section.length, true);
    hash.update(section).update(length);
  }
  return hash.digest("hex");
}

function checkId(stored: Uint8Array, expected: string): void {
  const text = [...stored].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (text !== expected + "0".repeat(24)) throw new Error(`id is ${text}, must be ${expected}`);
}

/**
 * Takes a boot image apart.
 *
 * @throws {Error} when the header, the page sums, the padding or the id are wrong.
 */
export function parseBootImage(image: Uint8Array): BootImage {
  if (image.length < 1632) throw new Error(`${image.length} bytes hold no header`);
  if (cString(image.subarray(0, 8)) !== "ANDROID!") throw new Error("no ANDROID! magic");
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const field = (offset: number) => view.getUint32(offset, true);
  const headerVersion = field(40);
  const pageBytes = field(36);
  const headerBytes = HEADER_BYTES[headerVersion];
  if (headerBytes === undefined) throw new Error(`header version ${headerVersion}`);
  if (pageBytes < 2048 || pageBytes > 16384 || (pageBytes & (pageBytes - 1)) !== 0) {
    throw new Error(`page size ${pageBytes}`);
  }
  if (headerVersion > 0 && field(1644) !== headerBytes) {
    throw new Error(`header size ${field(1644)}`);
  }
  let offset = pageBytes;
  const section = (sizeBytes: number): Uint8Array => {
    const bytes = image.subarray(offset, offset + sizeBytes);
    const end = offset + Math.ceil(sizeBytes / pageBytes) * pageBytes;
    if (end > image.length) throw new Error(`a section ends at ${end} of ${image.length} bytes`);
    if (image.subarray(offset + sizeBytes, end).some((b) => b !== 0)) throw new Error("padding");
    offset = end;
    return bytes;
  };
  const kernel = section(field(8));
  const ramdisk = section(field(16));
  const second = section(field(24));
  const overlay = section(headerVersion > 0 ? field(1632) : 0);
  const deviceTree = section(headerVersion > 1 ? field(1648) : 0);
  if (offset !== image.length) throw new Error(`${image.length - offset} bytes behind the image`);
  const sections = [kernel, ramdisk, second];
  if (headerVersion > 0) sections.push(overlay);
  if (headerVersion > 1) sections.push(deviceTree);
  checkId(image.subarray(576, 608), imageId(sections));
  const commandLine = cString(image.subarray(64, 576)) + cString(image.subarray(608, 1632));
  return { headerVersion, pageBytes, kernel, ramdisk, deviceTree, commandLine };
}
