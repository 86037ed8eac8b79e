/**
 * System Use fields of a directory record: the names, modes, links and times of Rock Ridge.
 *
 * ```text
 * field   0 two letters | 2 length | 3 version | data        CE: 4 block, 12 offset, 20 length, both orders u32
 * PX 4 mode, 12 links, 20 uid, 28 gid, perhaps 36 inode | PN 4 high, 12 low | NM 4 flags, 5 part of the name
 * SL 4 flags, 5 components {flags, length, text} | TF 4 flags, 5 times | CL 4 block | RE nothing
 * ```
 *
 * Source: SUSP (IEEE P1281) and RRIP (IEEE P1282). Compressed files (ZF) and sparse ones (SF) are refused when
 * they are opened.
 */
import type { Reader } from "../../sources/reader.ts";
import { damaged } from "../damaged.ts";
import { longTime, shortTime } from "./directory_record.ts";
import { both32, SECTOR_BYTES } from "./volume_descriptor.ts";

/** Continuation areas of one record. */
const MOST_CONTINUATIONS = 32;
const NAME_FLAG = { CURRENT: 2, PARENT: 4 } as const;
const LINK_FLAG = { CONTINUE: 1, CURRENT: 2, PARENT: 4, ROOT: 8 } as const;
const TIME = { CREATION: 1, MODIFY: 2, LONG: 0x80 } as const;

/** What Rock Ridge says of a record; absent where it says nothing. */
export interface RockRidge {
  mode?: number;
  linkCount?: number;
  uid?: number;
  gid?: number;
  serial?: number;
  deviceHigh?: number;
  deviceLow?: number;
  name?: number[];
  /** Parts of a link's target, still in bytes. */
  link?: LinkText;
  mtime?: { seconds: number; nanoseconds: number };
  /** Block of a directory that was moved because it was too deep; the record stands for it. */
  childBlock?: number;
  /** The record is that of a moved directory: it shows where the child link is. */
  isMoved?: boolean;
  /** Data is kept in a way that is not read. */
  stored?: "compressed" | "sparse";
}

interface LinkText {
  bytes: number[];
  /** Whether the last component goes on in the next one. */
  open: boolean;
}

/** Bytes to skip in each System Use area; undefined when the volume does not use it. */
export function suspSkip(systemUse: Uint8Array): number | undefined {
  const isSp = systemUse[0] === 0x53 && systemUse[1] === 0x50 && systemUse[2]! >= 7;
  return isSp && systemUse[4] === 0xbe && systemUse[5] === 0xef ? systemUse[6] : undefined;
}

/**
 * Reads the fields of one record, those in continuation areas too.
 *
 * @throws {FastboopError} `corrupt` when a field is cut or continuations do not end.
 */
export async function readRockRidge(
  action: string,
  reader: Reader,
  blockBytes: number,
  systemUse: Uint8Array,
): Promise<RockRidge> {
  const found: RockRidge = {};
  let area: Uint8Array | undefined = systemUse;
  for (let i = 0; area !== undefined; i++) {
    if (i > MOST_CONTINUATIONS) throw damaged(action, "its continuation areas do not end");
    const next = takeFields(action, area, found);
    area = next && await readArea(action, reader, blockBytes, next);
  }
  return found;
}

/** The continuation field of an area, when it has one. */
function takeFields(action: string, area: Uint8Array, found: RockRidge): Uint8Array | undefined {
  let next: Uint8Array | undefined;
  // Less than a header, or a zero, is padding.
  for (let at = 0; at + 4 <= area.length && area[at] !== 0;) {
    const lengthBytes = area[at + 2]!;
    if (lengthBytes < 4 || at + lengthBytes > area.length) {
      throw damaged(action, `a System Use field has ${lengthBytes} bytes`);
    }
    const field = area.subarray(at, at + lengthBytes);
    const name = String.fromCharCode(field[0]!, field[1]!);
    if (name === "ST") break;
    if (name === "CE") next = needs(action, field, 28);
    else takeField(action, name, field, found);
    at += lengthBytes;
  }
  return next;
}

async function readArea(
  action: string,
  reader: Reader,
  blockBytes: number,
  field: Uint8Array,
): Promise<Uint8Array> {
  const [block, offset, lengthBytes] = [4, 12, 20].map((at) => both32(action, field, at));
  const start = block! * blockBytes + offset!;
  if (lengthBytes! > SECTOR_BYTES || start + lengthBytes! > reader.sizeBytes) {
    throw damaged(action, `a continuation area has ${lengthBytes} bytes at ${start}`);
  }
  const bytes = new Uint8Array(lengthBytes!);
  await reader.readAt(start, bytes);
  return bytes;
}

function takeField(action: string, name: string, field: Uint8Array, found: RockRidge): void {
  switch (name) {
    case "PX":
      needs(action, field, 36);
      found.mode = both32(action, field, 4);
      found.linkCount = both32(action, field, 12);
      found.uid = both32(action, field, 20);
      found.gid = both32(action, field, 28);
      if (field.length >= 44) found.serial = both32(action, field, 36);
      break;
    case "PN":
      needs(action, field, 20);
      found.deviceHigh = both32(action, field, 4);
      found.deviceLow = both32(action, field, 12);
      break;
    case "NM":
      needs(action, field, 5);
      if ((field[4]! & (NAME_FLAG.CURRENT | NAME_FLAG.PARENT)) === 0) {
        (found.name ??= []).push(...field.subarray(5));
      }
      break;
    case "SL":
      takeLink(action, needs(action, field, 5), found.link ??= { bytes: [], open: false });
      break;
    case "TF":
      found.mtime = timeOf(needs(action, field, 5)) ?? found.mtime ??
        { seconds: 0, nanoseconds: 0 };
      break;
    case "CL":
      found.childBlock = both32(action, needs(action, field, 12), 4);
      break;
    case "RE":
      found.isMoved = true;
      break;
    case "ZF":
      found.stored = "compressed";
      break;
    case "SF":
      found.stored = "sparse";
  }
}

function takeLink(action: string, field: Uint8Array, link: LinkText): void {
  for (let at = 5; at < field.length;) {
    const [flags, lengthBytes] = [field[at]!, field[at + 1] ?? 0];
    const end = at + 2 + lengthBytes;
    if (end > field.length) throw damaged(action, "a part of a link's target is cut");
    if (!link.open && link.bytes.length > 0 && !endsWithRoot(link.bytes)) link.bytes.push(0x2f);
    if ((flags & LINK_FLAG.ROOT) !== 0) link.bytes.splice(0, link.bytes.length, 0x2f);
    else if ((flags & LINK_FLAG.PARENT) !== 0) link.bytes.push(0x2e, 0x2e);
    else if ((flags & LINK_FLAG.CURRENT) !== 0) link.bytes.push(0x2e);
    else link.bytes.push(...field.subarray(at + 2, end));
    link.open = (flags & LINK_FLAG.CONTINUE) !== 0;
    at = end;
  }
}

function endsWithRoot(bytes: readonly number[]): boolean {
  return bytes.length === 1 && bytes[0] === 0x2f;
}

/** Times stand in the order of their flags' bits; a creation time may be before. */
function timeOf(field: Uint8Array): { seconds: number; nanoseconds: number } | undefined {
  const flags = field[4]!;
  if ((flags & TIME.MODIFY) === 0) return undefined;
  const isLong = (flags & TIME.LONG) !== 0;
  const lengthBytes = isLong ? 17 : 7;
  const at = 5 + ((flags & TIME.CREATION) === 0 ? 0 : lengthBytes);
  const bytes = field.subarray(at, at + lengthBytes);
  if (bytes.length < lengthBytes) return undefined;
  return isLong ? longTime(bytes) : { seconds: shortTime(bytes), nanoseconds: 0 };
}

function needs(action: string, field: Uint8Array, lengthBytes: number): Uint8Array {
  if (field.length >= lengthBytes) return field;
  const name = String.fromCharCode(field[0]!, field[1]!);
  throw damaged(action, `a ${name} field has ${field.length} bytes`);
}
