/**
 * One record of a zip's central directory.
 *
 * ```text
 * 0 PK\1\2 | 5 made by system | 8 flags | 10 method | 12 DOS time, 14 DOS date | 16 CRC-32 | 20 stored size
 * 24 size | 28 name, 30 extra, 32 comment: lengths | 34 disk | 38 attributes | 42 local header
 * ```
 *
 * Source: PKWARE APPNOTE.TXT 6.3; Info-ZIP proginfo/extrafld.txt for the extended timestamp (0x5455), UNIX
 * owner (0x7875) and Unicode path (0x7075) fields.
 */
import { crc32 } from "node:zlib";
import { FastboopError } from "../../errors/errors.ts";

export const CENTRAL_BYTES = 46;
const CENTRAL_MAGIC = 0x02014b50;
const EXTRA = { zip64: 1, timestamp: 0x5455, unixOwner: 0x7875, unicodePath: 0x7075 } as const;
export const SATURATED = 0xffffffff;

/** A member as the central directory tells it. */
export interface ZipEntry {
  /** As stored; undefined when it is not UTF-8. */
  readonly name: string | undefined;
  /** The stored bytes, which the local header repeats. */
  readonly nameBytes: Uint8Array;
  /** System it was made on; 3 is UNIX. */
  readonly madeBy: number;
  readonly flags: number;
  readonly method: number;
  readonly crc32: number;
  readonly storedBytes: number;
  readonly sizeBytes: number;
  readonly attributes: number;
  /** Of the local header. */
  readonly offsetBytes: number;
  readonly mtimeSeconds: number;
  readonly uid: number;
  readonly gid: number;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The record at `at` and where it ends.
 *
 * @throws {FastboopError} `corrupt`, `unsupported` for several disks, `limit`.
 */
export function parseZipEntry(
  action: string,
  bytes: Uint8Array,
  at: number,
): { entry: ZipEntry; endBytes: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (at + CENTRAL_BYTES > bytes.length || view.getUint32(at, true) !== CENTRAL_MAGIC) {
    throw brokenZip(action, `no member begins at byte ${at} of its directory`);
  }
  const nameEnd = at + CENTRAL_BYTES + view.getUint16(at + 28, true);
  const extraEnd = nameEnd + view.getUint16(at + 30, true);
  const endBytes = extraEnd + view.getUint16(at + 32, true);
  if (endBytes > bytes.length) throw brokenZip(action, `member at byte ${at} is cut`);
  const nameBytes = bytes.slice(at + CENTRAL_BYTES, nameEnd);
  const extra = parseExtra(action, bytes.subarray(nameEnd, extraEnd));
  const wide = zip64Fields(action, extra, {
    sizeBytes: view.getUint32(at + 24, true),
    storedBytes: view.getUint32(at + 20, true),
    offsetBytes: view.getUint32(at + 42, true),
    disk: view.getUint16(at + 34, true),
  });
  if (wide.disk !== 0) throw severalDisks(action);
  const owner = unixOwner(extra.get(EXTRA.unixOwner));
  const entry = {
    name: nameOf(nameBytes, extra.get(EXTRA.unicodePath)),
    nameBytes,
    madeBy: view.getUint8(at + 5),
    flags: view.getUint16(at + 8, true),
    method: view.getUint16(at + 10, true),
    crc32: view.getUint32(at + 16, true),
    storedBytes: wide.storedBytes,
    sizeBytes: wide.sizeBytes,
    attributes: view.getUint32(at + 38, true),
    offsetBytes: wide.offsetBytes,
    mtimeSeconds: unixTime(extra.get(EXTRA.timestamp)) ??
      dosTime(view.getUint16(at + 12, true), view.getUint16(at + 14, true)),
    ...owner,
  };
  return { entry, endBytes };
}

/** Fields by their number: u16 number, u16 length, data. The first of a number counts. */
export function parseExtra(action: string, bytes: Uint8Array): Map<number, Uint8Array> {
  const fields = new Map<number, Uint8Array>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  // Some programs pad with less than a header.
  for (let at = 0; at + 4 <= bytes.length;) {
    const id = view.getUint16(at, true);
    const end = at + 4 + view.getUint16(at + 2, true);
    if (end > bytes.length) throw brokenZip(action, "an extra field is cut");
    if (!fields.has(id)) fields.set(id, bytes.subarray(at + 4, end));
    at = end;
  }
  return fields;
}

interface Wide {
  sizeBytes: number;
  storedBytes: number;
  offsetBytes: number;
  disk: number;
}

/** The ZIP64 field holds what does not fit: u64 size, stored size, offset, u32 disk, only those saturated. */
export function zip64Fields(
  action: string,
  extra: ReadonlyMap<number, Uint8Array>,
  fields: Wide,
): Wide {
  const bytes = extra.get(EXTRA.zip64) ?? new Uint8Array();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const wide = { ...fields };
  let at = 0;
  for (const name of ["sizeBytes", "storedBytes", "offsetBytes"] as const) {
    if (fields[name] !== SATURATED) continue;
    if (at + 8 > bytes.length) throw brokenZip(action, "a ZIP64 field is missing");
    wide[name] = safeU64(action, view, at);
    at += 8;
  }
  if (fields.disk === 0xffff) {
    if (at + 4 > bytes.length) throw brokenZip(action, "a ZIP64 field is missing");
    wide.disk = view.getUint32(at, true);
  }
  return wide;
}

/** @throws {FastboopError} `limit` beyond 2^53. */
export function safeU64(action: string, view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new FastboopError({ kind: "limit", action, state: `${value} is beyond 2^53` });
}

function nameOf(nameBytes: Uint8Array, unicode: Uint8Array | undefined): string | undefined {
  try {
    // Version 1, the CRC-32 of the plain name it belongs to, UTF-8.
    if (unicode !== undefined && unicode.length > 5 && unicode[0] === 1) {
      const sum = new DataView(unicode.buffer, unicode.byteOffset).getUint32(1, true);
      if (sum === crc32(nameBytes)) return decoder.decode(unicode.subarray(5));
    }
    return decoder.decode(nameBytes);
  } catch {
    return undefined;
  }
}

/** Flags, then the modification time when bit 0 is set. */
function unixTime(field: Uint8Array | undefined): number | undefined {
  if (field === undefined || field.length < 5 || (field[0]! & 1) === 0) return undefined;
  return new DataView(field.buffer, field.byteOffset).getInt32(1, true);
}

/** Local time of an unknown place, taken as UTC. Month and day may be 0 where there is no time. */
function dosTime(time: number, date: number): number {
  const [year, month, day] = [1980 + (date >> 9), (date >> 5) & 15, date & 31];
  const milliseconds = Date.UTC(year, Math.max(month, 1) - 1, Math.max(day, 1));
  return milliseconds / 1000 + (time >> 11) * 3600 + ((time >> 5) & 63) * 60 + (time & 31) * 2;
}

/** Version 1, length and uid, length and gid. */
function unixOwner(field: Uint8Array | undefined): { uid: number; gid: number } {
  if (field?.[0] !== 1 || field[1] !== 4 || field[6] !== 4 || field.length < 11) {
    return { uid: 0, gid: 0 };
  }
  const view = new DataView(field.buffer, field.byteOffset);
  return { uid: view.getUint32(2, true), gid: view.getUint32(7, true) };
}

export function severalDisks(action: string): FastboopError {
  const state = "it is a part of an archive over several disks";
  return new FastboopError({ kind: "unsupported", action, state });
}

export function brokenZip(action: string, state: string): FastboopError {
  return new FastboopError({ kind: "corrupt", action, state, hint: "Fetch the archive again" });
}
