/**
 * FAT directories: records of 32 bytes, each file's preceded by those of its long name.
 *
 *     short  0 name, 8 + 3   11 attributes   12 case bits (08 base, 10 extension in lower case)
 *            20, 26 cluster, high and low   22 time   24 date   28 bytes
 *     long   0 number, 40h on the last   11 0Fh   13 checksum of the short name   1, 14, 28: 13 units
 *
 * A first byte of 00 ends the directory, E5 is a deleted record, 05 stands for E5. Long records whose
 * numbers or checksum do not fit their short one were left behind by a program that did not know them:
 * the short name counts then, as in every kernel. Source: fatgen103; Linux fs/fat/dir.c.
 */
import { FastboopError } from "../../errors/errors.ts";
import { damaged } from "../damaged.ts";
import { addName } from "../image_tree.ts";
import { decodeCodePage437 } from "./code_page.ts";
import { ATTRIBUTE, RECORD_BYTES } from "./record.ts";

const END = 0x00;
const DELETED = 0xe5;
const STANDS_FOR_E5 = 0x05;
const LAST_LONG = 0x40;
const MAX_LONG_RECORDS = 20;
const LOWER_BASE = 0x08;
const LOWER_EXTENSION = 0x10;
const UNITS_AT = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
const NAME_LIMIT_UNITS = 255;

/** Names of a directory as they are stored, and as FAT finds them. */
export interface FatNames {
  readonly names: Map<string, number>;
  /** Folded names, the long and the short one of each file. */
  readonly folded: ReadonlyMap<string, number>;
}

/**
 * The names in `bytes`; `refOf` gives the ref of the record at an offset.
 *
 * @throws {FastboopError} `corrupt` for names no kernel accepts or that occur twice, `unsupported` for
 * ones that are not Unicode, `limit`.
 */
export function parseDirectory(
  action: string,
  bytes: Uint8Array,
  refOf: (offset: number) => number,
): FatNames {
  const names = new Map<string, number>();
  const folded = new Map<string, number>();
  const shorts: [name: string, ref: number][] = [];
  const long = new LongName();
  for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
    const record = bytes.subarray(at, at + RECORD_BYTES);
    const attributes = record[11]!;
    if (record[0] === END) break;
    if (record[0] === DELETED) {
      long.clear();
    } else if ((attributes & ATTRIBUTE.LONG_MASK) === ATTRIBUTE.LONG) {
      long.add(record);
    } else if (attributes & ATTRIBUTE.VOLUME || isDots(record)) {
      long.clear();
    } else {
      const short = shortName(action, record);
      const name = long.take(action, record) ?? short;
      const ref = refOf(at);
      addName(action, names, name, ref);
      if (!folded.has(foldName(name))) folded.set(foldName(name), ref);
      shorts.push([foldName(short), ref]);
    }
  }
  // A long name comes before the short one that another file was given by chance.
  for (const [name, ref] of shorts) if (!folded.has(name)) folded.set(name, ref);
  return { names, folded };
}

/** The form in which FAT compares names: upper case by single characters, no dots at the end. */
export function foldName(name: string): string {
  const bare = name.replace(/\.+$/, "");
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(bare)) return bare.toUpperCase();
  let text = "";
  for (const character of bare) {
    const upper = character.toUpperCase();
    text += upper.length === character.length ? upper : character;
  }
  return text;
}

/** The records of a long name, as they come: the last part first. */
class LongName {
  #parts: string[] = [];
  /** Number the next record must have; 0 when the name is complete, -1 when there is none. */
  #next = -1;
  #checksum = 0;

  clear(): void {
    this.#parts = [];
    this.#next = -1;
  }

  add(record: Uint8Array): void {
    const number = record[0]! & ~LAST_LONG;
    if (record[0]! & LAST_LONG) {
      this.#parts = [];
      this.#next = number >= 1 && number <= MAX_LONG_RECORDS ? number : -1;
      this.#checksum = record[13]!;
    }
    if (this.#next < 1 || number !== this.#next || record[13] !== this.#checksum) {
      this.clear();
      return;
    }
    this.#next--;
    const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
    this.#parts.unshift(String.fromCharCode(...UNITS_AT.map((at) => view.getUint16(at, true))));
  }

  /** The whole name when it belongs to the short record; the next one starts afresh. */
  take(action: string, short: Uint8Array): string | undefined {
    const fits = this.#next === 0 && checksumOf(short) === this.#checksum;
    const units = this.#parts.join("");
    this.clear();
    if (!fits) return undefined;
    const end = units.indexOf("\0");
    const name = end < 0 ? units : units.slice(0, end);
    if (name === "" || name.length > NAME_LIMIT_UNITS) {
      throw damaged(action, `a name has ${name.length} characters`);
    }
    if (name === "." || name === ".." || name.includes("/")) {
      throw damaged(action, `a name is or contains what no name may: ${JSON.stringify(name)}`);
    }
    if (!name.isWellFormed()) {
      const state = "a name is not valid Unicode";
      throw new FastboopError({ kind: "unsupported", action, state });
    }
    return name;
  }
}

/** Rotate right and add, over the 11 bytes. */
function checksumOf(record: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < 11; i++) sum = ((sum >>> 1) + ((sum & 1) << 7) + record[i]!) & 255;
  return sum;
}

function shortName(action: string, record: Uint8Array): string {
  const bytes = record.slice(0, 11);
  if (bytes[0] === STANDS_FOR_E5) bytes[0] = DELETED;
  if (bytes.some((byte) => byte < 0x20 || byte === 0x2f)) {
    throw damaged(action, "a short name contains a slash or control character");
  }
  const part = (from: number, to: number, lower: boolean) => {
    let end = to;
    while (end > from && bytes[end - 1] === 0x20) end--;
    const text = decodeCodePage437(bytes.subarray(from, end));
    return lower ? text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : text;
  };
  const base = part(0, 8, (record[12]! & LOWER_BASE) !== 0);
  const extension = part(8, 11, (record[12]! & LOWER_EXTENSION) !== 0);
  if (base === "" || base === "." || base === "..") {
    throw damaged(action, "a short name has no base");
  }
  return extension === "" ? base : `${base}.${extension}`;
}

/** The records `.` and `..` */
function isDots(record: Uint8Array): boolean {
  const dots = record[1] === 0x2e ? 2 : 1;
  return record[0] === 0x2e && record.subarray(dots, 11).every((byte) => byte === 0x20);
}
