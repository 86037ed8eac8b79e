/**
 * One 512-byte header of a tar archive: v7, ustar, GNU and PAX.
 *
 * ```text
 * 0 name 100 | 100 mode 8 | 108 uid 8 | 116 gid 8 | 124 size 12 | 136 mtime 12 | 148 checksum 8 | 156 type
 * 157 link name 100 | 257 magic 6, version 2 | 265 user 32 | 297 group 32 | 329 major 8 | 337 minor 8
 * 345 prefix 155 (ustar alone; GNU keeps other things there)
 * ```
 *
 * Source: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
 */
import { FastboopError } from "../../errors/errors.ts";

export const TAR_BLOCK_BYTES = 512;

/** What a header says by itself. Names are bytes up to their NUL. */
export interface TarHeader {
  readonly type: number;
  readonly name: Uint8Array;
  readonly linkName: Uint8Array;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

/**
 * Parses a header whose checksum holds.
 *
 * @throws {FastboopError} `corrupt` for a wrong checksum or number, `limit` for one beyond 2^53.
 */
export function parseTarHeader(action: string, block: Uint8Array, at: number): TarHeader {
  const numberAt = (offset: number, lengthBytes: number) => {
    return tarNumber(action, block.subarray(offset, offset + lengthBytes), at);
  };
  const sum = numberAt(148, 8);
  if (!sumsOf(block).includes(sum)) {
    throw brokenTar(action, at, "its checksum is wrong");
  }
  const sizeBytes = numberAt(124, 12);
  if (sizeBytes < 0) throw brokenTar(action, at, `its size is ${sizeBytes}`);
  const isUstar = block[262] === 0 && textIs(block, 257, "ustar");
  const name = untilNul(block.subarray(0, 100));
  const prefix = isUstar ? untilNul(block.subarray(345, 500)) : new Uint8Array();
  return {
    type: block[156]!,
    name: prefix.length === 0 ? name : join(prefix, name),
    linkName: untilNul(block.subarray(157, 257)),
    mode: numberAt(100, 8),
    uid: numberAt(108, 8),
    gid: numberAt(116, 8),
    sizeBytes,
    mtimeSeconds: numberAt(136, 12),
    ...(isUstar || textIs(block, 257, "ustar ")
      ? { deviceMajor: numberAt(329, 8), deviceMinor: numberAt(337, 8) }
      : { deviceMajor: 0, deviceMinor: 0 }),
  };
}

/**
 * A number of a header: octal between spaces and NULs, or with bit 7 of the first byte set base 256, two's
 * complement from bit 6 on.
 */
export function tarNumber(action: string, field: Uint8Array, at: number): number {
  if ((field[0]! & 0x80) !== 0) return base256(action, field, at);
  let value = 0;
  let i = 0;
  while (i < field.length && field[i] === 0x20) i++;
  for (; i < field.length && field[i] !== 0 && field[i] !== 0x20; i++) {
    const digit = field[i]! - 0x30;
    if (digit < 0 || digit > 7) throw brokenTar(action, at, "a number is not octal");
    value = value * 8 + digit;
  }
  return value;
}

function base256(action: string, field: Uint8Array, at: number): number {
  const negative = (field[0]! & 0x40) !== 0;
  let value = negative ? (field[0]! & 0x3f) - 0x40 : field[0]! & 0x3f;
  for (const byte of field.subarray(1)) value = value * 256 + byte;
  if (Number.isSafeInteger(value)) return value;
  const state = `member at byte ${at}: a number is beyond 2^53`;
  throw new FastboopError({ kind: "limit", action, state });
}

/** With the checksum's own bytes as spaces; some old programs summed signed bytes. */
function sumsOf(block: Uint8Array): [number, number] {
  let unsigned = 8 * 0x20;
  let high = 0;
  for (let i = 0; i < TAR_BLOCK_BYTES; i++) {
    if (i >= 148 && i < 156) continue;
    unsigned += block[i]!;
    high += block[i]! >> 7;
  }
  return [unsigned, unsigned - 256 * high];
}

function textIs(block: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (block[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

function join(prefix: Uint8Array, name: Uint8Array): Uint8Array {
  const all = new Uint8Array(prefix.length + 1 + name.length);
  all.set(prefix);
  all[prefix.length] = 0x2f;
  all.set(name, prefix.length + 1);
  return all;
}

/** A copy up to the first NUL. */
export function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return bytes.slice(0, end < 0 ? bytes.length : end);
}

export function brokenTar(action: string, at: number, state: string): FastboopError {
  return new FastboopError({
    kind: "corrupt",
    action,
    state: `member at byte ${at}: ${state}`,
    hint: "Fetch the archive again",
  });
}
