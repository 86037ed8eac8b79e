/**
 * The reader of newc archives in memory: `070701`, and `070702`, whose checksums are verified.
 *
 * Input is hostile: every size is checked against what is there before it is used, and nothing is copied.
 * Source: Documentation/driver-api/early-userspace/buffer-format.rst and init/initramfs.c of the kernel.
 */
import { alignUp } from "../../bytes/align.ts";
import { FastboopError } from "../../errors/errors.ts";
import { PATH_LIMIT_BYTES } from "../limits.ts";
import { TYPE_FILE, TYPE_MASK } from "./entry.ts";

/** One member as stored. */
export interface CpioMember {
  /** Without leading `./` and `/`; "" for the root. */
  readonly path: string;
  /** Whether the path is the name's bytes; else U+FFFD stands for those that are no UTF-8. */
  readonly isUtf8: boolean;
  /** st_mode: type bits and permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  readonly linkCount: number;
  /** Inode and device it came from; members of one hard link group share them. */
  readonly inode: string;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** A view of the archive: contents of a file, target of a symlink. */
  readonly data: Uint8Array;
}

/** One archive: what lies between a position and its trailer. */
export interface CpioArchive {
  readonly members: readonly CpioMember[];
  /** Offset behind the trailer, aligned to 4; the zeros some writers add are not counted. */
  readonly endBytes: number;
}

/** `07070`; a 1 follows, or a 2 when there are checksums. */
const MAGIC = [0x30, 0x37, 0x30, 0x37, 0x30];
const HEADER_BYTES = 110;
const FIELDS = 13;
const FIELD = {
  inode: 0,
  mode: 1,
  uid: 2,
  gid: 3,
  linkCount: 4,
  mtime: 5,
  size: 6,
  major: 7,
  minor: 8,
  deviceMajor: 9,
  deviceMinor: 10,
  nameSize: 11,
  checksum: 12,
} as const;
const TRAILER_NAME = "TRAILER!!!";
/** Of all archives in one file; each takes half a kilobyte of memory. */
export const MAX_MEMBERS = 500_000;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** Whether a member's magic lies at `offsetBytes`. */
export function isCpio(bytes: Uint8Array, offsetBytes = 0): boolean {
  return magicAt(bytes, offsetBytes) !== undefined;
}

/**
 * Reads one archive from `startBytes` to its trailer. Offsets are aligned relative to `startBytes`.
 *
 * Of a hard link group every member gets the data, wherever the archive keeps it.
 *
 * @throws {FastboopError} `corrupt` for what is cut, misspelt or has a wrong checksum, `limit`.
 */
export function readCpio(bytes: Uint8Array, startBytes = 0): CpioArchive {
  const members: CpioMember[] = [];
  for (let at = startBytes;;) {
    const { member, isTrailer, endBytes } = readMember(bytes, startBytes, at);
    if (isTrailer) return { members: joinLinks(members), endBytes };
    members.push(member);
    if (members.length > MAX_MEMBERS) {
      throw fail("limit", at, `it has more than ${MAX_MEMBERS} members`);
    }
    at = endBytes;
  }
}

function readMember(
  bytes: Uint8Array,
  startBytes: number,
  at: number,
): { member: CpioMember; isTrailer: boolean; endBytes: number } {
  const magic = magicAt(bytes, at);
  if (magic === undefined) {
    throw fail("corrupt", at, at >= bytes.length ? "it ends without a trailer" : "no member here");
  }
  if (bytes.length - at < HEADER_BYTES) throw fail("corrupt", at, "the header is cut");
  const fields = readFields(bytes, at);
  const nameBytes = fields[FIELD.nameSize]!;
  const sizeBytes = fields[FIELD.size]!;
  if (nameBytes < 2 || nameBytes > PATH_LIMIT_BYTES + 1) {
    throw fail(nameBytes < 2 ? "corrupt" : "limit", at, `the name has ${nameBytes} bytes`);
  }
  const nameEnd = at + HEADER_BYTES + nameBytes;
  const dataStart = startBytes + alignUp(nameEnd - startBytes, 4);
  const dataEnd = dataStart + sizeBytes;
  if (dataEnd > bytes.length) {
    throw fail("corrupt", at, `it ends at ${dataEnd}, the archive at ${bytes.length}`);
  }
  if (bytes[nameEnd - 1] !== 0) throw fail("corrupt", at, "the name does not end with a NUL");
  // dracut-cpio and gen_init_cpio pad names to align data; the kernel takes what is before the first NUL.
  const nameStart = at + HEADER_BYTES;
  const stored = bytes.subarray(nameStart, bytes.indexOf(0, nameStart));
  if (stored.length === 0) throw fail("corrupt", at, "the name is empty");
  const name = decoder.decode(stored);
  const data = bytes.subarray(dataStart, dataEnd);
  // cpio(1) sums up files alone, and the kernel checks no other.
  const isFile = (fields[FIELD.mode]! & TYPE_MASK) === TYPE_FILE;
  if (magic === "070702" && isFile) verify(data, fields[FIELD.checksum]!, at);
  const member = {
    path: name.replace(/^(\.?\/)+/, "").replace(/^\.$/, ""),
    isUtf8: !name.includes("\ufffd") ||
      encoder.encode(name).every((byte, i) => byte === stored[i]),
    mode: fields[FIELD.mode]!,
    uid: fields[FIELD.uid]!,
    gid: fields[FIELD.gid]!,
    mtimeSeconds: fields[FIELD.mtime]!,
    linkCount: fields[FIELD.linkCount]!,
    inode: `${fields[FIELD.major]}:${fields[FIELD.minor]}:${fields[FIELD.inode]}`,
    deviceMajor: fields[FIELD.deviceMajor]!,
    deviceMinor: fields[FIELD.deviceMinor]!,
    data,
  };
  // The padding behind the last member may be missing, as some writers leave it out.
  const endBytes = startBytes + alignUp(dataEnd - startBytes, 4);
  // A file of that name may come as `./TRAILER!!!`.
  const isTrailer = name === TRAILER_NAME;
  return { member, isTrailer, endBytes: Math.min(endBytes, bytes.length) };
}

function magicAt(bytes: Uint8Array, at: number): "070701" | "070702" | undefined {
  if (!MAGIC.every((digit, i) => bytes[at + i] === digit)) return undefined;
  return bytes[at + 5] === 0x31 ? "070701" : bytes[at + 5] === 0x32 ? "070702" : undefined;
}

function readFields(bytes: Uint8Array, at: number): number[] {
  const fields: number[] = [];
  for (let i = 0; i < FIELDS; i++) {
    let value = 0;
    for (let digit = 0; digit < 8; digit++) {
      const byte = bytes[at + 6 + i * 8 + digit]!;
      const nibble = byte >= 0x30 && byte <= 0x39
        ? byte - 0x30
        : (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66
        ? (byte | 0x20) - 0x57
        : -1;
      if (nibble < 0) throw fail("corrupt", at, "the header holds more than hex digits");
      value = value * 16 + nibble;
    }
    fields.push(value);
  }
  return fields;
}

function verify(data: Uint8Array, expected: number, at: number): void {
  let sum = 0;
  for (const byte of data) sum = (sum + byte) >>> 0;
  if (sum !== expected) {
    throw fail("corrupt", at, `the checksum is ${sum}, the header says ${expected}`);
  }
}

/**
 * cpio(1) stores the data with the last member of a group, others with the first. One view for all of a
 * group, an empty one too, tells groups of different archives apart.
 */
function joinLinks(members: CpioMember[]): CpioMember[] {
  const isLinked = ({ mode, linkCount }: CpioMember) =>
    linkCount > 1 && (mode & TYPE_MASK) === TYPE_FILE;
  const stored = new Map<string, Uint8Array>();
  for (const { inode, data } of members.filter(isLinked)) {
    if (data.length > 0 || !stored.has(inode)) stored.set(inode, data);
  }
  return members.map((member) =>
    isLinked(member) && member.data.length === 0
      ? { ...member, data: stored.get(member.inode)! }
      : member
  );
}

function fail(kind: "corrupt" | "limit", at: number, state: string): FastboopError {
  return new FastboopError({
    kind,
    action: "Read the cpio archive",
    state: `member at byte ${at}: ${state}`,
  });
}
