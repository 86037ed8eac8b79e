/**
 * The members of a tar archive, front to back, without their data.
 *
 * v7, ustar, GNU (long names and links, old sparse files) and PAX (local and global headers). What has no
 * meaning in a tree (volume labels, the lists of multi-volume and incremental archives) is passed over.
 * An archive must have its end marker: without one it was cut. Source: as tar_header.ts and pax_records.ts.
 */
import { alignUp } from "../../bytes/align.ts";
import { cancelled, FastboopError } from "../../errors/errors.ts";
import type { EntryKind } from "../../sources/file_tree.ts";
import type { Reader } from "../../sources/reader.ts";
import { ScanWindow } from "../scan_window.ts";
import { nameText, parsePaxRecords, type PaxRecords } from "./pax_records.ts";
import {
  brokenTar,
  parseTarHeader,
  TAR_BLOCK_BYTES,
  type TarHeader,
  tarNumber,
  untilNul,
} from "./tar_header.ts";

/** Of one long name, or one PAX header; upstream's bound as well. */
const METADATA_BYTES = 1 << 20;
/** Headers that may stand before one member. */
const METADATA_HEADERS = 64;

/** How the data of a sparse file is laid out; the map itself is read when the file is opened. */
export type TarSparse =
  | { readonly form: "old" }
  | { readonly form: "inline"; readonly map: readonly string[] }
  | { readonly form: "leading" };

/** One member. */
export interface TarMember {
  /** As stored; undefined when it is not UTF-8. */
  readonly path: string | undefined;
  readonly kind: EntryKind | "hard-link";
  /** The header's type byte. */
  readonly type: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  /** Target of a symbolic or hard link as stored; undefined also when it is not UTF-8. */
  readonly linkTarget: string | undefined;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly headerOffsetBytes: number;
  readonly dataOffsetBytes: number;
  /** Bytes in the archive; those of a sparse file without its holes. */
  readonly storedBytes: number;
  /** Bytes of the file. */
  readonly sizeBytes: number;
  readonly sparse?: TarSparse;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

/** Kinds by type byte; NUL and `7` are regular files too. */
const KINDS: Record<string, TarMember["kind"]> = {
  "\0": "file",
  "0": "file",
  "7": "file",
  "S": "file",
  "1": "hard-link",
  "2": "symlink",
  "3": "character-device",
  "4": "block-device",
  "5": "directory",
  "D": "directory",
  "6": "fifo",
};

/** What the headers before a member say of it. */
interface Pending {
  local: PaxRecords;
  longName?: Uint8Array;
  longLink?: Uint8Array;
  headers: number;
}

/**
 * Gives the members from `startBytes` on.
 *
 * @throws {FastboopError} `corrupt` for what is cut or misspelt, `limit`, `unsupported` for a part of a
 * multi-volume archive.
 */
export async function* scanTar(
  action: string,
  source: Reader,
  options: { signal?: AbortSignal | undefined; startBytes?: number } = {},
): AsyncGenerator<TarMember> {
  const { signal } = options;
  const window = new ScanWindow(source, signal);
  const global: PaxRecords = {};
  let pending: Pending = { local: {}, headers: 0 };
  for (let at = options.startBytes ?? 0;;) {
    if (signal?.aborted) throw cancelled(action, signal);
    const block = await blockAt(action, window, at);
    if (block[0] === 0 && block.every((byte) => byte === 0)) return;
    const header = parseTarHeader(action, block, at);
    const type = String.fromCharCode(header.type);
    if ("xXgLK".includes(type)) {
      if (++pending.headers > METADATA_HEADERS) throw tooMuch(action, at, "headers for one member");
      await takeMetadata(action, window, at, type, header, pending, global);
      at = endOf(action, source, at, at + TAR_BLOCK_BYTES, header.sizeBytes);
      continue;
    }
    const member = await memberOf(action, window, at, block, header, pending, global);
    pending = { local: {}, headers: 0 };
    at = endOf(action, source, at, member.dataOffsetBytes, member.storedBytes);
    if (type === "M") {
      const state = `member at byte ${member.headerOffsetBytes}: it goes on from another volume`;
      throw new FastboopError({ kind: "unsupported", action, state });
    }
    if (type !== "V" && type !== "N" && type !== "A") yield member;
  }
}

async function blockAt(action: string, window: ScanWindow, at: number): Promise<Uint8Array> {
  const block = window.peek(at, TAR_BLOCK_BYTES) ?? await window.at(at, TAR_BLOCK_BYTES);
  if (block === undefined) throw brokenTar(action, at, "the archive ends without an end marker");
  return block;
}

/** Where the next header is. */
function endOf(
  action: string,
  source: Reader,
  at: number,
  dataOffsetBytes: number,
  storedBytes: number,
): number {
  if (storedBytes > source.sizeBytes - dataOffsetBytes) {
    throw brokenTar(action, at, `its ${storedBytes} bytes go beyond the end of the archive`);
  }
  return alignUp(dataOffsetBytes + storedBytes, TAR_BLOCK_BYTES);
}

async function takeMetadata(
  action: string,
  window: ScanWindow,
  at: number,
  type: string,
  { sizeBytes }: TarHeader,
  pending: Pending,
  global: PaxRecords,
): Promise<void> {
  if (sizeBytes > METADATA_BYTES) throw tooMuch(action, at, "bytes of names and attributes");
  const payload = await window.at(at + TAR_BLOCK_BYTES, sizeBytes);
  if (payload === undefined) throw brokenTar(action, at, "its names and attributes are cut");
  if (type === "L") pending.longName = untilNul(payload);
  else if (type === "K") pending.longLink = untilNul(payload);
  else {
    const records = parsePaxRecords(action, payload, at);
    if (type !== "g") {
      pending.local = records;
      return;
    }
    // Attributes and holes belong to one file; for all of them they would have no meaning.
    const { xattrs: _, sparse: __, ...rest } = records;
    Object.assign(global, rest);
  }
}

async function memberOf(
  action: string,
  window: ScanWindow,
  at: number,
  block: Uint8Array,
  header: TarHeader,
  { local, longName, longLink }: Pending,
  global: PaxRecords,
): Promise<TarMember> {
  const pax = { ...global, ...local };
  const name = nameText(local.sparse?.name ?? pax.path ?? longName ?? header.name);
  const link = nameText(pax.linkPath ?? longLink ?? header.linkName);
  const type = String.fromCharCode(header.type);
  let kind = KINDS[type] ?? "file";
  // v7 knew no type for directories.
  if (kind === "file" && "\u00000".includes(type) && name?.endsWith("/")) kind = "directory";
  const hasData = kind === "file" || type === "D";
  const storedBytes = hasData ? pax.sizeBytes ?? header.sizeBytes : 0;
  const { sizeBytes, dataOffsetBytes, sparse } = type === "S"
    ? await oldSparse(action, window, at, block)
    : { dataOffsetBytes: at + TAR_BLOCK_BYTES, ...paxSparse(action, at, local, storedBytes) };
  return {
    path: name,
    kind,
    type: header.type,
    mode: header.mode & 0o7777,
    uid: pax.uid ?? header.uid,
    gid: pax.gid ?? header.gid,
    mtimeSeconds: pax.mtimeSeconds ?? header.mtimeSeconds,
    mtimeNanoseconds: pax.mtimeNanoseconds ?? 0,
    linkTarget: kind === "symlink" || kind === "hard-link" ? link : undefined,
    deviceMajor: header.deviceMajor,
    deviceMinor: header.deviceMinor,
    headerOffsetBytes: at,
    dataOffsetBytes,
    storedBytes,
    sizeBytes: kind === "file" ? sizeBytes : 0,
    ...(sparse === undefined ? {} : { sparse }),
    ...(local.xattrs === undefined ? {} : { xattrs: local.xattrs }),
  };
}

/** GNU's own form: four pieces in the header, more in blocks behind it, then the data. */
async function oldSparse(
  action: string,
  window: ScanWindow,
  at: number,
  block: Uint8Array,
): Promise<{ sizeBytes: number; dataOffsetBytes: number; sparse: TarSparse }> {
  const sizeBytes = tarNumber(action, block.subarray(483, 495), at);
  if (sizeBytes < 0) throw brokenTar(action, at, `its size is ${sizeBytes}`);
  let dataOffsetBytes = at + TAR_BLOCK_BYTES;
  for (let goesOn = block[482] !== 0; goesOn; dataOffsetBytes += TAR_BLOCK_BYTES) {
    const extension = await window.at(dataOffsetBytes, TAR_BLOCK_BYTES);
    if (extension === undefined) throw brokenTar(action, at, "its map of holes is cut");
    goesOn = extension[504] !== 0;
  }
  return { sizeBytes, dataOffsetBytes, sparse: { form: "old" } };
}

function paxSparse(
  action: string,
  at: number,
  { sparse }: PaxRecords,
  storedBytes: number,
): { sizeBytes: number; sparse?: TarSparse } {
  if (sparse === undefined) return { sizeBytes: storedBytes };
  const { major = 0, minor = 0, map, realSizeBytes } = sparse;
  if (major > 1 || (major === 1 && minor > 0)) {
    const state = `member at byte ${at}: its map of holes has the form ${major}.${minor}`;
    throw new FastboopError({ kind: "unsupported", action, state });
  }
  if (realSizeBytes === undefined || (major === 0 && map === undefined)) {
    throw brokenTar(action, at, "its map of holes is not complete");
  }
  if (major === 1) return { sizeBytes: realSizeBytes, sparse: { form: "leading" } };
  return { sizeBytes: realSizeBytes, sparse: { form: "inline", map: map! } };
}

function tooMuch(action: string, at: number, what: string): FastboopError {
  return new FastboopError({
    kind: "limit",
    action,
    state: `member at byte ${at}: too many ${what}`,
  });
}
