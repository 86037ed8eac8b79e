/**
 * One record of an ISO 9660 directory.
 *
 * ```text
 * 0 length | 1 blocks of attributes before the data | 2 first block, 10 bytes: both orders u32 | 18 time 7
 * 25 flags | 26, 27 interleave | 32 length of the name | 33 name, padded to even | system use
 * ```
 *
 * Source: ECMA-119, 9.1.
 */
import { damaged } from "../damaged.ts";
import { both32 } from "./volume_descriptor.ts";

const NAME_AT = 33;
const FLAG = { DIRECTORY: 2, ASSOCIATED: 4, MORE_EXTENTS: 0x80 } as const;

export interface DirectoryRecord {
  readonly lengthBytes: number;
  /** First block of the data. */
  readonly block: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly isDirectory: boolean;
  /** A resource fork or the like of the file of the same name. */
  readonly isAssociated: boolean;
  /** The next record goes on with the same file. */
  readonly hasMore: boolean;
  readonly isInterleaved: boolean;
  /** One byte 0 for the directory itself, one byte 1 for its parent. */
  readonly name: Uint8Array;
  readonly systemUse: Uint8Array;
}

/** Parses the record at the start of `bytes`, which end with the sector. @throws {FastboopError} `corrupt`. */
export function parseRecord(action: string, bytes: Uint8Array): DirectoryRecord {
  const lengthBytes = bytes[0]!;
  const nameBytes = bytes[32] ?? 0;
  // The name is padded, so that the record's length is even.
  const systemUseAt = NAME_AT + nameBytes + (nameBytes % 2 === 0 ? 1 : 0);
  if (lengthBytes > bytes.length || NAME_AT + nameBytes > lengthBytes || nameBytes === 0) {
    throw damaged(
      action,
      `a directory record has ${lengthBytes} bytes with a name of ${nameBytes}`,
    );
  }
  const flags = bytes[25]!;
  return {
    lengthBytes,
    block: both32(action, bytes, 2) + bytes[1]!,
    sizeBytes: both32(action, bytes, 10),
    mtimeSeconds: shortTime(bytes.subarray(18, 25)),
    isDirectory: (flags & FLAG.DIRECTORY) !== 0,
    isAssociated: (flags & FLAG.ASSOCIATED) !== 0,
    hasMore: (flags & FLAG.MORE_EXTENTS) !== 0,
    isInterleaved: bytes[26] !== 0 || bytes[27] !== 0,
    name: bytes.subarray(NAME_AT, NAME_AT + nameBytes),
    systemUse: bytes.subarray(Math.min(systemUseAt, lengthBytes), lengthBytes),
  };
}

/** Whether the record is that of the directory itself (0) or of its parent (1). */
export function isDot(record: DirectoryRecord, which: 0 | 1): boolean {
  return record.name.length === 1 && record.name[0] === which;
}

/** Years since 1900, month, day, hour, minute, second, quarters of an hour east of Greenwich. */
export function shortTime(bytes: Uint8Array): number {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, zone = 0] = bytes;
  const east = zone > 127 ? zone - 256 : zone;
  if (month === 0) return 0;
  return Date.UTC(1900 + year, month - 1, day, hour, minute, second) / 1000 - east * 15 * 60;
}

/** Sixteen digits to the hundredth of a second, and the zone as above. */
export function longTime(bytes: Uint8Array): { seconds: number; nanoseconds: number } {
  const text = String.fromCharCode(...bytes.subarray(0, 16));
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text);
  if (parts === null) return { seconds: 0, nanoseconds: 0 };
  const [year, month, day, hour, minute, second, hundredth] = parts.slice(1).map(Number);
  const zone = bytes[16]! > 127 ? bytes[16]! - 256 : bytes[16]!;
  const time = Date.UTC(year!, month! - 1, day, hour, minute, second) / 1000;
  return { seconds: time - zone * 15 * 60, nanoseconds: hundredth! * 10_000_000 };
}
