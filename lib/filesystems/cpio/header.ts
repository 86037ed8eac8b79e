/**
 * The newc header: `070701`, thirteen fields of eight hex digits, the name with its NUL, padding to 4.
 *
 * Everything the kernel would drop without a word is refused here.
 * Source: Documentation/driver-api/early-userspace/buffer-format.rst and init/initramfs.c of the kernel.
 */
import { FastboopError } from "../../errors/errors.ts";
import { NAME_LIMIT_BYTES, PATH_LIMIT_BYTES } from "../limits.ts";
import {
  type CpioEntry,
  dataBytes,
  TYPE_DIRECTORY,
  TYPE_FILE,
  TYPE_MASK,
  TYPE_SYMLINK,
} from "./entry.ts";

const MAGIC = "070701";
const HEADER_BYTES = 110;
const FIELD_LIMIT = 2 ** 32;
const TRAILER_NAME = "TRAILER!!!";

/** Room for the longest header: name with NUL, and padding. */
export const HEADER_ROOM_BYTES = HEADER_BYTES + PATH_LIMIT_BYTES + 1 + 3;

/** The kernel keeps 16 bits of it. */
const MODE_MASK = 0xffff;
const TYPES = new Set([1, 2, 4, 6, 0o10, 0o12, 0o14].map((type) => type << 12));
const DIGITS = new TextEncoder().encode("0123456789abcdef");
const encoder = new TextEncoder();

/** Options of an archive. */
export interface CpioOptions {
  /** Modification time of every member; 0 by default. */
  mtimeSeconds?: number;
}

/** Writes the header of `entry` at `offset` of zeroed-or-not `out` and returns its length, padded. */
export function putHeader(
  out: Uint8Array,
  offset: number,
  entry: CpioEntry,
  options: CpioOptions,
): number {
  const nameStart = offset + HEADER_BYTES;
  const { read, written } = encoder.encodeInto(
    entry.path,
    out.subarray(nameStart, nameStart + PATH_LIMIT_BYTES),
  );
  check(entry, read < entry.path.length, out.subarray(nameStart, nameStart + written));
  const fields = [
    entry.linkGroup ?? 0,
    entry.mode,
    entry.uid ?? 0,
    entry.gid ?? 0,
    entry.linkCount ?? 1,
    options.mtimeSeconds ?? 0,
    dataBytes(entry),
    0,
    0,
    entry.deviceMajor ?? 0,
    entry.deviceMinor ?? 0,
  ];
  for (const field of fields) {
    if (Number.isInteger(field) && field >= 0 && field < FIELD_LIMIT) continue;
    throw refuse(entry, "limit", `${field} is not a number of 32 bits`);
  }
  return putFields(out, offset, written, fields);
}

/** Writes the member that ends an archive and returns its length, padded. */
export function putTrailer(out: Uint8Array, offset: number): number {
  const name = encoder.encodeInto(TRAILER_NAME, out.subarray(offset + HEADER_BYTES));
  return putFields(out, offset, name.written, [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
}

/** Zero bytes behind that many, up to a multiple of 4. */
export function paddingBytes(sizeBytes: number): number {
  return (4 - sizeBytes % 4) % 4;
}

function putFields(
  out: Uint8Array,
  offset: number,
  nameBytes: number,
  fields: readonly number[],
): number {
  encoder.encodeInto(MAGIC, out.subarray(offset));
  let position = offset + MAGIC.length;
  // The last two fields are the name's length with its NUL, and a checksum newc does not use.
  for (const field of [...fields, nameBytes + 1, 0]) {
    for (let shift = 28; shift >= 0; shift -= 4) out[position++] = DIGITS[(field >>> shift) & 15]!;
  }
  const end = position + nameBytes + 1;
  const padded = end + paddingBytes(end - offset);
  out.fill(0, position + nameBytes, padded);
  return padded - offset;
}

function check(entry: CpioEntry, cutOff: boolean, name: Uint8Array): void {
  if (cutOff) {
    throw refuse(entry, "limit", `its path is longer than ${PATH_LIMIT_BYTES} bytes`);
  }
  checkComponents(entry, name);
  if (entry.path === TRAILER_NAME) {
    throw refuse(entry, "unsupported", "this name ends a cpio archive");
  }
  checkData(entry);
}

function checkComponents(entry: CpioEntry, name: Uint8Array): void {
  const { path } = entry;
  if (/^$|\0|^\/|\/$|\/\/|(^|\/)\.{1,2}(\/|$)/.test(path) || !path.isWellFormed()) {
    throw refuse(entry, "usage", "it is not a relative path");
  }
  if (name.length <= NAME_LIMIT_BYTES) return;
  for (const component of path.split("/")) {
    if (encoder.encode(component).length > NAME_LIMIT_BYTES) {
      throw refuse(entry, "limit", `a name in it is longer than ${NAME_LIMIT_BYTES} bytes`);
    }
  }
}

function checkData(entry: CpioEntry): void {
  const type = entry.mode & TYPE_MASK;
  if (!TYPES.has(type) || entry.mode > MODE_MASK) {
    throw refuse(entry, "usage", `mode 0${entry.mode.toString(8)} has no known type`);
  }
  const sizeBytes = dataBytes(entry);
  if (sizeBytes >= FIELD_LIMIT) {
    throw refuse(entry, "limit", `it has ${sizeBytes} bytes, cpio can tell up to 4 GiB - 1`);
  }
  if (type === TYPE_SYMLINK) {
    if (sizeBytes < 1 || sizeBytes > PATH_LIMIT_BYTES) {
      const state = `its target has ${sizeBytes} bytes, a symlink has 1 to ${PATH_LIMIT_BYTES}`;
      throw refuse(entry, "limit", state);
    }
    if (entry.data?.includes(0)) throw refuse(entry, "usage", "its target contains a NUL");
  } else if (type !== TYPE_FILE && sizeBytes > 0) {
    const what = type === TYPE_DIRECTORY ? "a directory" : "a special file";
    throw refuse(entry, "usage", `${what} cannot have data`);
  }
}

function refuse(
  entry: CpioEntry,
  kind: "limit" | "usage" | "unsupported",
  state: string,
): FastboopError {
  const path = entry.path.length > 80 ? `${entry.path.slice(0, 77)}...` : entry.path;
  return new FastboopError({ kind, action: `Add "${path}" to the cpio archive`, state });
}
