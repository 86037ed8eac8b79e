/**
 * An initramfs as the kernel takes it: newc archives one after the other, zeros between them, each plain
 * or compressed. Source: Documentation/driver-api/early-userspace/buffer-format.rst.
 */
import { FastboopError } from "../../errors/errors.ts";
import { type Compression, compressionAt, decompressAt } from "./decompress_at.ts";
import { type CpioMember, isCpio, MAX_MEMBERS, readCpio } from "./read_cpio.ts";

export interface Initramfs {
  /** Of all archives in order; the kernel lets a later member replace an earlier one of its path. */
  readonly members: readonly CpioMember[];
  readonly archiveCount: number;
  /** How the archives were compressed, each way once. */
  readonly compressions: readonly Compression[];
}

const LIMIT_BYTES = 512 << 20;
/** What the kernel decompresses besides (lib/decompress.c), by the first bytes. */
const OTHERS: readonly (readonly [name: string, magic: readonly number[]])[] = [
  ["lz4", [0x02, 0x21, 0x4c, 0x18]],
  ["lzo", [0x89, 0x4c, 0x5a, 0x4f]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["lzma", [0x5d, 0, 0]],
];
const MAX_ARCHIVES = 64;

/** Whether an archive or a compressed stream begins here. */
export function beginsInitramfs(bytes: Uint8Array, offsetBytes = 0): boolean {
  return isCpio(bytes, offsetBytes) || compressionAt(bytes, offsetBytes) !== undefined;
}

/**
 * Reads all archives, from the first byte that is not zero on.
 *
 * @param limitBytes bound of what all archives decompress to together; 512 MiB by default.
 * @throws {FastboopError} `corrupt` when there is none, or one is damaged; `limit`, `unsupported`.
 */
export function readInitramfs(bytes: Uint8Array, limitBytes = LIMIT_BYTES): Initramfs {
  const members: CpioMember[] = [];
  const compressions = new Set<Compression>();
  let leftBytes = limitBytes;
  let archiveCount = 0;
  let streamCount = 0;
  const addArchive = (plain: Uint8Array, at: number): number => {
    if (++archiveCount > MAX_ARCHIVES) throw fail("limit", `more than ${MAX_ARCHIVES} archives`);
    const archive = readCpio(plain, at);
    for (const member of archive.members) members.push(member);
    if (members.length > MAX_MEMBERS) throw fail("limit", `more than ${MAX_MEMBERS} members`);
    return archive.endBytes;
  };
  for (let at = skipZeros(bytes, 0); at < bytes.length; at = skipZeros(bytes, at)) {
    if (isCpio(bytes, at)) {
      at = addArchive(bytes, at);
      continue;
    }
    const compression = compressionAt(bytes, at);
    if (compression === undefined) throw noArchive(bytes, at);
    if (++streamCount > MAX_ARCHIVES) throw fail("limit", `more than ${MAX_ARCHIVES} streams`);
    if (leftBytes <= 0) throw fail("limit", `it holds more than ${limitBytes} bytes`);
    const plain = decompressAt(bytes, at, compression, leftBytes);
    leftBytes -= plain.bytes.length;
    compressions.add(compression);
    for (let inner = skipZeros(plain.bytes, 0); inner < plain.bytes.length;) {
      inner = skipZeros(plain.bytes, addArchive(plain.bytes, inner));
    }
    at = plain.endBytes;
  }
  if (archiveCount === 0) throw fail("corrupt", "there is no archive in it");
  return { members, archiveCount, compressions: [...compressions] };
}

function skipZeros(bytes: Uint8Array, offsetBytes: number): number {
  let at = offsetBytes;
  while (at < bytes.length && bytes[at] === 0) at++;
  return at;
}

function noArchive(bytes: Uint8Array, at: number): FastboopError {
  const other = OTHERS.find(([, magic]) => magic.every((byte, i) => bytes[at + i] === byte));
  return other === undefined
    ? fail("corrupt", `at byte ${at} begins no archive`)
    : fail("unsupported", `the archive at byte ${at} is compressed with ${other[0]}`);
}

function fail(kind: "corrupt" | "limit" | "unsupported", state: string): FastboopError {
  return new FastboopError({ kind, action: "Read the initramfs", state });
}
