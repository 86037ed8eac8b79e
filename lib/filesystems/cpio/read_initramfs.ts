/**
 * An initramfs as the kernel takes it: newc archives one after the other, zeros between them, each plain
 * or compressed. Source: Documentation/driver-api/early-userspace/buffer-format.rst.
 */
import { FastboopError } from "../../errors/errors.ts";
import { type Compression, compressionAt, decompressAt } from "./decompress_at.ts";
import { type CpioMember, isCpio, readCpio } from "./read_cpio.ts";

export interface Initramfs {
  /** Of all archives in order; the kernel lets a later member replace an earlier one of its path. */
  readonly members: readonly CpioMember[];
  readonly archiveCount: number;
  /** How the archives were compressed, each way once. */
  readonly compressions: readonly Compression[];
}

const LIMIT_BYTES = 512 << 20;
const MAX_ARCHIVES = 64;

/** Whether an archive or a compressed stream begins here. */
export function beginsInitramfs(bytes: Uint8Array, offsetBytes = 0): boolean {
  return isCpio(bytes, offsetBytes) || compressionAt(bytes, offsetBytes) !== undefined;
}

/**
 * Reads all archives from `startBytes` on.
 *
 * @param limitBytes bound of what all archives decompress to together; 512 MiB by default.
 * @throws {FastboopError} `corrupt` when there is none, or one is damaged; `limit`, `unsupported`.
 */
export function readInitramfs(bytes: Uint8Array, limitBytes = LIMIT_BYTES): Initramfs {
  const members: CpioMember[] = [];
  const compressions = new Set<Compression>();
  let leftBytes = limitBytes;
  let archiveCount = 0;
  for (let at = skipZeros(bytes, 0); at < bytes.length; at = skipZeros(bytes, at)) {
    if (++archiveCount > MAX_ARCHIVES) throw fail("limit", `more than ${MAX_ARCHIVES} archives`);
    if (isCpio(bytes, at)) {
      const archive = readCpio(bytes, at);
      for (const member of archive.members) members.push(member);
      at = archive.endBytes;
      continue;
    }
    const compression = compressionAt(bytes, at);
    if (compression === undefined) throw fail("corrupt", `at byte ${at} begins no archive`);
    const plain = decompressAt(bytes, at, compression, leftBytes);
    leftBytes -= plain.bytes.length;
    compressions.add(compression);
    for (let inner = skipZeros(plain.bytes, 0); inner < plain.bytes.length;) {
      const archive = readCpio(plain.bytes, inner);
      for (const member of archive.members) members.push(member);
      inner = skipZeros(plain.bytes, archive.endBytes);
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

function fail(kind: "corrupt" | "limit", state: string): FastboopError {
  return new FastboopError({ kind, action: "Read the initramfs", state });
}
