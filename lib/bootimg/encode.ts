/** Android boot images of header version 0 to 2, byte for byte as mkbootimg makes them. */
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import { imageId, partsOf, type Section, sizeOf } from "./image_id.ts";
import {
  CMDLINE_BYTES,
  CMDLINE_MORE_BYTES,
  HEADER_SIZE_BYTES,
  type HeaderVersion,
  type LoadAddresses,
  MAGIC,
  NAME_BYTES,
  OFFSET,
  PAGE_SIZES_BYTES,
} from "./layout.ts";

/** Bounds a boot loader sets; 0 or absent means none. */
export interface BootImageLimits {
  /** Of the kernel as sent: compressed, appended devicetree included. */
  maxKernelBytes?: number;
  maxRamdiskBytes?: number;
  /** Of the whole image, padding included. */
  maxTotalBytes?: number;
}

export interface BootImageParts {
  headerVersion: HeaderVersion;
  pageSizeBytes: number;
  addresses: LoadAddresses;
  kernel: Section;
  ramdisk: Section;
  second?: Section;
  /** Header version 2 only. */
  dtb?: Section;
  /** ASCII, at most 1536 bytes. */
  cmdline: string;
  /** ASCII, at most 16 bytes. */
  name?: string;
  limits?: BootImageLimits;
}

const ACTION = "Make the boot image";

/**
 * Encodes a boot image as parts in order. The sections themselves are not copied: the arrays given
 * are among the parts.
 *
 * @throws {FastboopError} `usage` for a value that no header can hold, `limit` for one too large.
 */
export function encodeBootImage(parts: BootImageParts): Uint8Array[] {
  const { headerVersion, pageSizeBytes } = parts;
  if (!PAGE_SIZES_BYTES.includes(pageSizeBytes)) {
    throw wrong(`the page size is ${pageSizeBytes}, must be one of ${PAGE_SIZES_BYTES.join(", ")}`);
  }
  if (headerVersion < 2 && parts.dtb !== undefined) {
    throw wrong(`header version ${headerVersion} has no place for a devicetree`);
  }
  if (sizeOf(parts.kernel) === 0) throw wrong("the kernel is empty");
  const sections = [parts.kernel, parts.ramdisk, parts.second, parts.dtb];
  const pages = [encodeHeader(parts)];
  pages.push(padding(pages[0]!.length, pageSizeBytes));
  for (const section of sections) {
    pages.push(...partsOf(section), padding(sizeOf(section), pageSizeBytes));
  }
  const image = pages.filter((page) => page.length > 0);
  checkLimits(parts, sizeOf(image));
  return image;
}

function encodeHeader(parts: BootImageParts): Uint8Array {
  const { headerVersion, addresses } = parts;
  const bytes = new Uint8Array(HEADER_SIZE_BYTES[headerVersion]);
  const view = new DataView(bytes.buffer);
  const put32 = (offset: number, value: number, what: string) => {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
      throw wrong(`the ${what} ${value} does not fit 32 bits`);
    }
    view.setUint32(offset, value, true);
  };
  const putSection = (
    offset: number,
    section: Section | undefined,
    address: number,
    what: string,
  ) => {
    const sizeBytes = sizeOf(section);
    put32(offset, sizeBytes, `${what} size`);
    put32(offset + 4, sizeBytes > 0 ? address : 0, `${what} address`);
  };
  putText(bytes, 0, MAGIC, MAGIC.length, "magic");
  putSection(OFFSET.kernelSize, parts.kernel, addresses.kernel, "kernel");
  putSection(OFFSET.ramdiskSize, parts.ramdisk, addresses.ramdisk, "ramdisk");
  putSection(OFFSET.secondSize, parts.second, addresses.second, "second stage");
  put32(OFFSET.tagsAddress, addresses.tags, "tags address");
  put32(OFFSET.pageSize, parts.pageSizeBytes, "page size");
  put32(OFFSET.headerVersion, headerVersion, "header version");
  putText(bytes, OFFSET.name, parts.name ?? "", NAME_BYTES, "name");
  putCmdline(bytes, parts.cmdline);
  bytes.set(imageId(headerVersion, parts), OFFSET.id);
  if (headerVersion >= 1) view.setUint32(OFFSET.headerSize, bytes.length, true);
  if (headerVersion >= 2) {
    const sizeBytes = sizeOf(parts.dtb);
    put32(OFFSET.dtbSize, sizeBytes, "devicetree size");
    if (!Number.isSafeInteger(addresses.dtb) || addresses.dtb < 0) {
      throw wrong(`the devicetree address is ${addresses.dtb}`);
    }
    view.setBigUint64(OFFSET.dtbAddress, sizeBytes > 0 ? BigInt(addresses.dtb) : 0n, true);
  }
  return bytes;
}

function putCmdline(bytes: Uint8Array, cmdline: string): void {
  const most = CMDLINE_BYTES + CMDLINE_MORE_BYTES;
  if (cmdline.length > most) {
    throw new FastboopError({
      kind: "limit",
      action: ACTION,
      state: `the kernel command line has ${cmdline.length} characters, ${most} fit`,
      hint: "Shorten what --append or the device profile adds",
    });
  }
  putText(bytes, OFFSET.cmdline, cmdline.slice(0, CMDLINE_BYTES), CMDLINE_BYTES, "command line");
  const more = cmdline.slice(CMDLINE_BYTES);
  putText(bytes, OFFSET.cmdlineMore, more, CMDLINE_MORE_BYTES, "command line");
}

function putText(
  bytes: Uint8Array,
  offset: number,
  text: string,
  most: number,
  what: string,
): void {
  // One byte per character, or the split of the command line could cut a character in two.
  if (!/^[\x20-\x7e]*$/.test(text)) throw wrong(`the ${what} holds more than printable ASCII`);
  if (text.length > most) throw wrong(`the ${what} has ${text.length} characters, ${most} fit`);
  for (let i = 0; i < text.length; i++) bytes[offset + i] = text.charCodeAt(i);
}

function padding(sizeBytes: number, pageSizeBytes: number): Uint8Array {
  return new Uint8Array((pageSizeBytes - sizeBytes % pageSizeBytes) % pageSizeBytes);
}

function checkLimits(parts: BootImageParts, totalBytes: number): void {
  const check = (what: string, sizeBytes: number, mostBytes = 0) => {
    if (mostBytes === 0 || sizeBytes <= mostBytes) return;
    throw new FastboopError({
      kind: "limit",
      action: ACTION,
      state: `the ${what} is ${formatSize(sizeBytes)} (${sizeBytes} bytes), the device takes ` +
        `${formatSize(mostBytes)} (${mostBytes} bytes)`,
      hint: "Build a smaller kernel, or fewer modules into the initramfs",
    });
  };
  const limits = parts.limits ?? {};
  check("kernel", sizeOf(parts.kernel), limits.maxKernelBytes);
  check("initramfs", sizeOf(parts.ramdisk), limits.maxRamdiskBytes);
  check("boot image", totalBytes, limits.maxTotalBytes);
}

function wrong(state: string): FastboopError {
  return new FastboopError({ kind: "usage", action: ACTION, state });
}
