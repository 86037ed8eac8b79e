/** Android boot images of header version 0 to 2, taken apart. Input is hostile: all is bounded by it. */
import { alignUp } from "../bytes/align.ts";
import { FastboopError } from "../errors/errors.ts";
import { imageId } from "./image_id.ts";
import {
  CMDLINE_BYTES,
  CMDLINE_MORE_BYTES,
  HEADER_SIZE_BYTES,
  type HeaderVersion,
  ID_BYTES,
  type LoadAddresses,
  MAGIC,
  NAME_BYTES,
  OFFSET,
  PAGE_SIZES_BYTES,
} from "./layout.ts";

/** A boot image in its parts. The sections are views of the bytes given. */
export interface BootImage {
  headerVersion: HeaderVersion;
  pageSizeBytes: number;
  addresses: LoadAddresses;
  kernel: Uint8Array;
  ramdisk: Uint8Array;
  second: Uint8Array;
  recoveryDtbo: Uint8Array;
  dtb: Uint8Array;
  cmdline: string;
  name: string;
  /** OS version and patch level as stored; 0 when not set. */
  osVersion: number;
  /** As stored, 32 bytes. */
  id: Uint8Array;
  /** Whether the id is the digest of these sections; many tools store zeros or something of their own. */
  idMatches: boolean;
}

const ACTION = "Read the boot image";

/**
 * Parses a boot image.
 *
 * @throws {FastboopError} `corrupt` for a wrong magic, a section past the end or a nonsensical page
 * size, `unsupported` for header version 3 and later.
 */
export function parseBootImage(bytes: Uint8Array): BootImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < HEADER_SIZE_BYTES[0] || text(bytes, 0, MAGIC.length) !== MAGIC) {
    throw corrupt(`it does not begin with a header "${MAGIC}"`);
  }
  const u32 = (offset: number) => view.getUint32(offset, true);
  const version = u32(OFFSET.headerVersion);
  if (version > 2) {
    throw new FastboopError({
      kind: "unsupported",
      action: ACTION,
      state: `header version ${version} is not read, only 0, 1 and 2`,
    });
  }
  const headerVersion = version as HeaderVersion;
  const headerSizeBytes = HEADER_SIZE_BYTES[headerVersion];
  if (bytes.length < headerSizeBytes) throw corrupt(`the header is cut at ${bytes.length} bytes`);
  const pageSizeBytes = u32(OFFSET.pageSize);
  if (!PAGE_SIZES_BYTES.includes(pageSizeBytes)) throw corrupt(`the page size is ${pageSizeBytes}`);
  if (headerVersion >= 1 && u32(OFFSET.headerSize) !== headerSizeBytes) {
    throw corrupt(`the header says that it has ${u32(OFFSET.headerSize)} bytes`);
  }

  let offset = pageSizeBytes;
  const section = (what: string, sizeOffset: number, since: HeaderVersion): Uint8Array => {
    const sizeBytes = headerVersion >= since ? u32(sizeOffset) : 0;
    if (sizeBytes === 0) return new Uint8Array();
    // Only the padding after the last section may be missing.
    if (sizeBytes > bytes.length - offset) {
      throw corrupt(`the ${what} of ${sizeBytes} bytes at ${offset} ends past ${bytes.length}`);
    }
    const content = bytes.subarray(offset, offset + sizeBytes);
    offset += alignUp(sizeBytes, pageSizeBytes);
    return content;
  };
  const sections = {
    kernel: section("kernel", OFFSET.kernelSize, 0),
    ramdisk: section("ramdisk", OFFSET.ramdiskSize, 0),
    second: section("second stage", OFFSET.secondSize, 0),
    recoveryDtbo: section("recovery DTBO", OFFSET.recoveryDtboSize, 1),
    dtb: section("devicetree", OFFSET.dtbSize, 2),
  };
  const dtbAddress = headerVersion >= 2 ? view.getBigUint64(OFFSET.dtbAddress, true) : 0n;
  if (dtbAddress > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw corrupt(`the devicetree address is 0x${dtbAddress.toString(16)}`);
  }
  const id = bytes.subarray(OFFSET.id, OFFSET.id + ID_BYTES);
  const digest = imageId(headerVersion, sections);
  return {
    headerVersion,
    pageSizeBytes,
    addresses: {
      kernel: u32(OFFSET.kernelAddress),
      ramdisk: u32(OFFSET.ramdiskAddress),
      second: u32(OFFSET.secondAddress),
      tags: u32(OFFSET.tagsAddress),
      dtb: Number(dtbAddress),
    },
    ...sections,
    cmdline: text(bytes, OFFSET.cmdline, CMDLINE_BYTES) +
      text(bytes, OFFSET.cmdlineMore, CMDLINE_MORE_BYTES),
    name: text(bytes, OFFSET.name, NAME_BYTES),
    osVersion: u32(OFFSET.osVersion),
    id,
    idMatches: id.every((byte, i) => byte === (digest[i] ?? 0)),
  };
}

/** Bytes up to the first NUL, one character each: what is not ASCII stays visible as Latin-1. */
function text(bytes: Uint8Array, offset: number, most: number): string {
  const field = bytes.subarray(offset, offset + most);
  const end = field.indexOf(0);
  return String.fromCharCode(...field.subarray(0, end < 0 ? most : end));
}

function corrupt(state: string): FastboopError {
  return new FastboopError({ kind: "corrupt", action: ACTION, state });
}
