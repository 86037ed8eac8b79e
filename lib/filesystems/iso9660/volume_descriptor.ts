/**
 * The volume descriptors of an ISO 9660 image, sectors of 2048 bytes from sector 16 on.
 *
 * ```text
 * 0 type: 1 primary, 2 supplementary, 255 end | 1 CD001 | 6 version | 80 blocks, both orders u32
 * 88 escape sequences 32 (%/@ %/C %/E: Joliet) | 128 block size, both orders u16 | 156 root's record 34
 * ```
 *
 * Source: ECMA-119, 8.1 to 8.5; Joliet Specification, ECMA-119 Volume 1.
 */
import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import { damaged } from "../damaged.ts";

export const SECTOR_BYTES = 2048;
const FIRST_SECTOR = 16;
/** Descriptors before the end; discs have three or four. */
const MOST_DESCRIPTORS = 64;
const TYPE = { PRIMARY: 1, SUPPLEMENTARY: 2, END: 255 } as const;
const JOLIET = ["@", "C", "E"].map((level) => level.charCodeAt(0));
const ROOT_RECORD_BYTES = 34;

/** One tree of a volume. */
export interface IsoVolumeDescriptor {
  readonly isJoliet: boolean;
  readonly blockBytes: number;
  /** Of the image, by its own words. */
  readonly volumeBytes: number;
  /** Where the root's record lies in the image. */
  readonly rootRecordOffset: number;
  readonly rootRecord: Uint8Array;
}

/**
 * The primary descriptor, and Joliet's when there is one.
 *
 * @throws {FastboopError} `corrupt`, `unsupported` for another version.
 */
export async function readVolumeDescriptors(
  action: string,
  reader: Reader,
): Promise<{ primary: IsoVolumeDescriptor; joliet: IsoVolumeDescriptor | undefined }> {
  let primary: IsoVolumeDescriptor | undefined;
  let joliet: IsoVolumeDescriptor | undefined;
  for (let i = 0;; i++) {
    const offset = (FIRST_SECTOR + i) * SECTOR_BYTES;
    if (i === MOST_DESCRIPTORS || offset + SECTOR_BYTES > reader.sizeBytes) {
      throw damaged(action, "its volume descriptors do not end");
    }
    const bytes = new Uint8Array(SECTOR_BYTES);
    await reader.readAt(offset, bytes);
    if (String.fromCharCode(...bytes.subarray(1, 6)) !== "CD001") {
      throw damaged(action, `sector ${FIRST_SECTOR + i} is no volume descriptor`);
    }
    if (bytes[0] === TYPE.END) break;
    if (bytes[0] === TYPE.PRIMARY) primary ??= parse(action, bytes, offset, false);
    const isJoliet = bytes[0] === TYPE.SUPPLEMENTARY && bytes[88] === 0x25 && bytes[89] === 0x2f &&
      JOLIET.includes(bytes[90]!);
    if (isJoliet) joliet ??= parse(action, bytes, offset, true);
  }
  if (primary === undefined) throw damaged(action, "it has no primary volume descriptor");
  return { primary, joliet };
}

function parse(
  action: string,
  bytes: Uint8Array,
  offset: number,
  isJoliet: boolean,
): IsoVolumeDescriptor {
  if (!isJoliet && bytes[6] !== 1) {
    const state = `its volume descriptor has version ${bytes[6]}`;
    throw new FastboopError({ kind: "unsupported", action, state });
  }
  const blockBytes = both16(action, bytes, 128);
  if (![512, 1024, 2048].includes(blockBytes)) {
    throw damaged(action, `its blocks have ${blockBytes} bytes`);
  }
  return {
    isJoliet,
    blockBytes,
    volumeBytes: both32(action, bytes, 80) * blockBytes,
    rootRecordOffset: offset + 156,
    rootRecord: bytes.subarray(156, 156 + ROOT_RECORD_BYTES),
  };
}

/** A u16 in little and then in big endian. @throws {FastboopError} `corrupt` when they differ. */
function both16(action: string, bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const value = view.getUint16(at, true);
  if (value !== view.getUint16(at + 2, false)) throw differ(action);
  return value;
}

/** A u32 in little and then in big endian. @throws {FastboopError} `corrupt` when they differ. */
export function both32(action: string, bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const value = view.getUint32(at, true);
  if (value !== view.getUint32(at + 4, false)) throw differ(action);
  return value;
}

function differ(action: string): FastboopError {
  return damaged(action, "a number differs between its two byte orders");
}
