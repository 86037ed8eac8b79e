/**
 * One copy of a GUID partition table: its header, and the entries the header names.
 *
 *     header   0 "EFI PART"   8 revision   12 header bytes   16 CRC32 of them, this field zero
 *              24 own LBA   32 LBA of the other copy   40, 48 first and last usable LBA   56 disk GUID
 *              72 LBA of the entries   80 count   84 bytes of each   88 CRC32 of all
 *     entry    0 type GUID, zero when unused   16 its own GUID   32 first LBA   40 last LBA, inclusive
 *              48 attributes   56 name, 36 UTF-16 units
 *
 * Source: UEFI 2.10, section 5.3.
 */
import { crc32 } from "node:zlib";
import { readU64 } from "../../bytes/read_u64.ts";
import { formatGuid } from "./guid.ts";

/** Most bytes of entries that are read; 128 entries take 16 KiB. */
const TABLE_LIMIT_BYTES = 16 << 20;
const SIGNATURE = "EFI PART";
const HEADER_BYTES = 92;
const ENTRY_BYTES = 128;
const NAME_UNITS = 36;

/** One used entry. Offsets are bytes from the start of the disk. */
export interface GptPartition {
  /** Slot of the table from 0; the kernel's number is one more. */
  readonly index: number;
  readonly typeGuid: string;
  readonly partuuid: string;
  readonly label: string;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** What of a header is needed to read its entries. */
export interface GptHeader {
  readonly entriesLba: number;
  readonly entryCount: number;
  readonly entryBytes: number;
  readonly entriesCrc32: number;
}

/** Whether the header's signature is there, which says nothing of the rest. */
export function hasGptSignature(block: Uint8Array): boolean {
  if (block.length < SIGNATURE.length) return false;
  for (let i = 0; i < SIGNATURE.length; i++) {
    if (block[i] !== SIGNATURE.charCodeAt(i)) return false;
  }
  return true;
}

/** Where a header, sound or not, says the other copy is. */
export function otherCopyLba(block: Uint8Array): number {
  return readU64(viewOf(block), 32);
}

/** The header in a block that lies at `lba`, or what is wrong with it. */
export function parseGptHeader(block: Uint8Array, lba: number): GptHeader | string {
  if (!hasGptSignature(block)) return "has no signature";
  const view = viewOf(block);
  const headerBytes = view.getUint32(12, true);
  if (headerBytes < HEADER_BYTES || headerBytes > block.length) {
    return `says it has ${headerBytes} bytes`;
  }
  const header = block.slice(0, headerBytes);
  header.fill(0, 16, 20);
  if (crc32(header) !== view.getUint32(16, true)) return "fails its checksum";
  const own = readU64(view, 24);
  if (own !== lba) return `is made for LBA ${own}`;
  const entryCount = view.getUint32(80, true);
  const entryBytes = view.getUint32(84, true);
  if (entryBytes < ENTRY_BYTES || entryBytes % 8 !== 0) {
    return `has entries of ${entryBytes} bytes`;
  }
  if (entryCount * entryBytes > TABLE_LIMIT_BYTES) {
    return `has a table of ${entryCount * entryBytes} bytes, more than ${TABLE_LIMIT_BYTES}`;
  }
  return {
    entriesLba: readU64(view, 72),
    entryCount,
    entryBytes,
    entriesCrc32: view.getUint32(88, true),
  };
}

/** The used entries, or what is wrong with them. Whether they lie inside the disk is not asked. */
export function parseGptEntries(
  header: GptHeader,
  table: Uint8Array,
  lbaSizeBytes: number,
): GptPartition[] | string {
  if (crc32(table) !== header.entriesCrc32) return "has entries that fail their checksum";
  const partitions: GptPartition[] = [];
  for (let index = 0; index < header.entryCount; index++) {
    const entry = table.subarray(index * header.entryBytes, (index + 1) * header.entryBytes);
    if (isUnused(entry)) continue;
    const view = viewOf(entry);
    const first = readU64(view, 32);
    const last = readU64(view, 40);
    if (last < first || !Number.isSafeInteger((last + 1) * lbaSizeBytes)) {
      return `has an entry ${index} from LBA ${first} to ${last}`;
    }
    partitions.push({
      index,
      typeGuid: formatGuid(entry),
      partuuid: formatGuid(entry.subarray(16)),
      label: labelOf(view),
      offsetBytes: first * lbaSizeBytes,
      sizeBytes: (last - first + 1) * lbaSizeBytes,
    });
  }
  return partitions;
}

function isUnused(entry: Uint8Array): boolean {
  for (let i = 0; i < 16; i++) if (entry[i] !== 0) return false;
  return true;
}

function labelOf(entry: DataView): string {
  let label = "";
  for (let unit = 0; unit < NAME_UNITS; unit++) {
    const code = entry.getUint16(56 + 2 * unit, true);
    if (code === 0) break;
    label += String.fromCharCode(code);
  }
  return label.toWellFormed();
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
