/**
 * The central directory of a zip archive, ZIP64 or not, found from the end of the file.
 *
 * ```text
 * end 22        0 PK\5\6 | 4 disk, 6 directory's disk | 8 members here, 10 members | 12 size, 16 offset | 20 comment
 * locator 20    0 PK\6\7 | 4 disk | 8 offset u64 of the wide end | 16 disks
 * wide end 56   0 PK\6\6 | 4 length u64 | 16 disks | 24, 32 members u64 | 40 size u64, 48 offset u64
 * ```
 *
 * Bytes before the archive (a self-extracting program) and zeros behind it are allowed. Source: PKWARE
 * APPNOTE.TXT 6.3, 4.3.12 to 4.3.16.
 */
import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import {
  brokenZip,
  CENTRAL_BYTES,
  parseZipEntry,
  safeU64,
  severalDisks,
  type ZipEntry,
} from "./zip_entry.ts";

const END_MAGIC = 0x06054b50;
const LOCATOR_MAGIC = 0x07064b50;
const WIDE_END_MAGIC = 0x06064b50;
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const WIDE_END_BYTES = 56;
const COMMENT_BYTES = 0xffff;
const MOST_MEMBERS = 500_000;
/** Of a directory: that many members with usual names. */
const DIRECTORY_BYTES = 64 << 20;

/** A directory, and how far its offsets are off because something stands before the archive. */
export interface ZipDirectory {
  readonly entries: readonly ZipEntry[];
  /** Add to every local header's offset. */
  readonly baseBytes: number;
  /** Where the directory begins in the file: all members lie before. */
  readonly offsetBytes: number;
}

interface End {
  readonly count: number;
  readonly sizeBytes: number;
  readonly offsetBytes: number;
  /** Where the directory ends in the file. */
  readonly directoryEnd: number;
}

/**
 * Reads the directory of a zip archive.
 *
 * @throws {FastboopError} `corrupt` also for two members of one name, `unsupported` for several disks, `limit`.
 */
export async function readZipDirectory(
  action: string,
  source: Reader,
  signal?: AbortSignal,
): Promise<ZipDirectory> {
  const options = signal === undefined ? {} : { signal };
  const tail = new Uint8Array(
    Math.min(source.sizeBytes, END_BYTES + COMMENT_BYTES + LOCATOR_BYTES + WIDE_END_BYTES),
  );
  const tailStart = source.sizeBytes - tail.length;
  await source.readAt(tailStart, tail, options);
  const at = findEnd(tail);
  if (at === undefined) throw brokenZip(action, "it has no end record: it is no zip, or was cut");
  const end = await readEnd(action, source, tail, at, tailStart, options);
  if (end.count > end.sizeBytes / CENTRAL_BYTES) {
    throw brokenZip(action, `${end.count} members do not fit into ${end.sizeBytes} bytes`);
  }
  const offsetBytes = end.directoryEnd - end.sizeBytes;
  const baseBytes = offsetBytes - end.offsetBytes;
  if (offsetBytes < 0 || baseBytes < 0) {
    throw brokenZip(
      action,
      `its directory of ${end.sizeBytes} bytes is said to be where it cannot`,
    );
  }
  if (end.sizeBytes > DIRECTORY_BYTES || end.count > MOST_MEMBERS) {
    const state = `its directory has ${end.count} members in ${end.sizeBytes} bytes, ` +
      `${MOST_MEMBERS} in ${DIRECTORY_BYTES} are read`;
    throw new FastboopError({ kind: "limit", action, state });
  }
  const bytes = new Uint8Array(end.sizeBytes);
  await source.readAt(offsetBytes, bytes, options);
  return { entries: parseEntries(action, bytes, end.count), baseBytes, offsetBytes };
}

/** The last end record whose comment reaches the end of the file, or up to zeros behind it. */
function findEnd(tail: Uint8Array): number | undefined {
  const view = new DataView(tail.buffer);
  let contentEnd = tail.length;
  while (contentEnd > 0 && tail[contentEnd - 1] === 0) contentEnd--;
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    if (tail[at] !== 0x50 || view.getUint32(at, true) !== END_MAGIC) continue;
    const end = at + END_BYTES + view.getUint16(at + 20, true);
    if (end <= tail.length && end >= contentEnd && isPlausible(view, at)) return at;
  }
  return undefined;
}

/** A comment may hold the magic of an end record, but hardly numbers that fit each other as well. */
function isPlausible(view: DataView, at: number): boolean {
  const [here, count] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
  return here <= count &&
    (count === 0xffff || count * CENTRAL_BYTES <= view.getUint32(at + 12, true));
}

async function readEnd(
  action: string,
  source: Reader,
  tail: Uint8Array,
  at: number,
  tailStart: number,
  options: { signal?: AbortSignal },
): Promise<End> {
  const view = new DataView(tail.buffer);
  const locator = at - LOCATOR_BYTES;
  if (locator >= 0 && view.getUint32(locator, true) === LOCATOR_MAGIC) {
    return await readWideEnd(action, source, view, locator, tailStart, options);
  }
  const [disk, directoryDisk, here, count] = [4, 6, 8, 10].map((o) => view.getUint16(at + o, true));
  if (disk !== 0 || directoryDisk !== 0 || here !== count) throw severalDisks(action);
  return {
    count: count!,
    sizeBytes: view.getUint32(at + 12, true),
    offsetBytes: view.getUint32(at + 16, true),
    directoryEnd: tailStart + at,
  };
}

/** The wide end record stands right before its locator, unless something was put before the archive. */
async function readWideEnd(
  action: string,
  source: Reader,
  tail: DataView,
  locator: number,
  tailStart: number,
  options: { signal?: AbortSignal },
): Promise<End> {
  if (tail.getUint32(locator + 4, true) !== 0 || tail.getUint32(locator + 16, true) > 1) {
    throw severalDisks(action);
  }
  const said = safeU64(action, tail, locator + 8);
  const most = tailStart + locator - WIDE_END_BYTES;
  for (const start of [said, most]) {
    if (start < 0 || start > most) continue;
    const bytes = new Uint8Array(WIDE_END_BYTES);
    await source.readAt(start, bytes, options);
    const view = new DataView(bytes.buffer);
    if (view.getUint32(0, true) !== WIDE_END_MAGIC) continue;
    if (view.getUint32(16, true) !== 0 || view.getUint32(20, true) !== 0) {
      throw severalDisks(action);
    }
    const count = safeU64(action, view, 32);
    if (safeU64(action, view, 24) !== count) throw severalDisks(action);
    return {
      count,
      sizeBytes: safeU64(action, view, 40),
      offsetBytes: safeU64(action, view, 48),
      directoryEnd: start,
    };
  }
  throw brokenZip(action, "its ZIP64 end record is not where its locator says");
}

function parseEntries(action: string, bytes: Uint8Array, count: number): ZipEntry[] {
  const entries: ZipEntry[] = [];
  const names = new Set<string>();
  for (let i = 0, at = 0; i < count; i++) {
    const { entry, endBytes } = parseZipEntry(action, bytes, at);
    if (entry.name !== undefined) {
      if (names.has(entry.name)) throw brokenZip(action, `two members are named "${entry.name}"`);
      names.add(entry.name);
    }
    entries.push(entry);
    at = endBytes;
  }
  return entries;
}
