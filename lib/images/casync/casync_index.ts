/**
 * A casync blob index (`.caibx`): where each chunk of an image ends, and the digest of the chunk.
 *
 * ```text
 * 0 header size 48 | 8 type | 16 flags | 24, 32, 40 smallest, usual, largest chunk | 48 all ones | 56 table type
 * 64 items of 40: end offset, 32-byte id | tail 40: 0, 0, 48, table size, tail mark      all u64
 * ```
 *
 * Source: casync src/caformat.h. An archive index (`.caidx`) has other flags: its chunks are a stream of
 * files, not an image.
 */
import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";

const HEADER_TYPE = 0x96824d9c7b129ff9n;
const TABLE_TYPE = 0xe75b9e112f17417dn;
const TAIL_MARK = 0x4b4f050e5549ecd1n;
const ALL_ONES = 0xffffffffffffffffn;
const HEADER_BYTES = 48;
const ITEMS_AT = 64;
const ITEM_BYTES = 40;
const TAIL_BYTES = 40;
/** Flag: ids are SHA-512/256 instead of SHA-256. */
const SHA512_256 = 0x2000000000000000n;
/** Flags of archives: what casync records of users, times, modes and kinds of files. */
const ARCHIVE_FLAGS = 0x0fffffffffffffffn;
const MOST_CHUNK_BYTES = 128 << 20;
/** 1.6 million chunks, 100 GB at the usual size. */
const INDEX_BYTES = 64 << 20;
export const ID_BYTES = 32;

/** A checked index. */
export interface CasyncIndex {
  readonly digest: "sha256" | "sha512-256";
  /** Largest chunk there is, in bytes. */
  readonly largestBytes: number;
  readonly chunkCount: number;
  /** Where each chunk ends; rising. */
  readonly ends: Float64Array;
  /** 32 bytes per chunk. */
  readonly ids: Uint8Array;
}

/**
 * Reads and checks a whole index.
 *
 * @throws {FastboopError} `corrupt`, `limit`, `unsupported` for an archive index.
 */
export async function readCasyncIndex(
  action: string,
  index: Reader,
  signal?: AbortSignal,
): Promise<CasyncIndex> {
  const { sizeBytes } = index;
  if (sizeBytes > INDEX_BYTES) {
    const state = `the index has ${sizeBytes} bytes, more than ${INDEX_BYTES}`;
    throw new FastboopError({ kind: "limit", action, state });
  }
  const itemBytes = sizeBytes - ITEMS_AT - TAIL_BYTES;
  if (itemBytes < 0 || itemBytes % ITEM_BYTES !== 0) {
    throw brokenIndex(action, `it has ${sizeBytes} bytes, which no number of chunks takes`);
  }
  const bytes = new Uint8Array(sizeBytes);
  await index.readAt(0, bytes, signal === undefined ? {} : { signal });
  const view = new DataView(bytes.buffer);
  const flags = checkHeader(action, view);
  checkTail(action, view);
  const chunkCount = itemBytes / ITEM_BYTES;
  const ends = new Float64Array(chunkCount);
  const ids = new Uint8Array(chunkCount * ID_BYTES);
  const mostBytes = Number(view.getBigUint64(40, true));
  let largestBytes = 0;
  for (let i = 0, last = 0n; i < chunkCount; i++) {
    const at = ITEMS_AT + i * ITEM_BYTES;
    const end = view.getBigUint64(at, true);
    if (end <= last || end - last > BigInt(mostBytes)) {
      throw brokenIndex(action, `chunk ${i} ends at ${end}, the one before at ${last}`);
    }
    if (end > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new FastboopError({ kind: "limit", action, state: `${end} bytes are too many` });
    }
    largestBytes = Math.max(largestBytes, Number(end - last));
    ends[i] = Number(end);
    ids.set(bytes.subarray(at + 8, at + ITEM_BYTES), i * ID_BYTES);
    last = end;
  }
  const digest = (flags & SHA512_256) !== 0n ? "sha512-256" : "sha256";
  return { digest, largestBytes, chunkCount, ends, ids };
}

function checkHeader(action: string, view: DataView): bigint {
  const u64 = (at: number) => view.getBigUint64(at, true);
  if (u64(0) !== BigInt(HEADER_BYTES) || u64(8) !== HEADER_TYPE) {
    throw brokenIndex(action, "it does not begin as one");
  }
  if (u64(48) !== ALL_ONES || u64(56) !== TABLE_TYPE) {
    throw brokenIndex(action, "it has no table of chunks");
  }
  const [least, usual, most] = [u64(24), u64(32), u64(40)];
  if (!(least >= 1n && least <= usual && usual <= most && most <= BigInt(MOST_CHUNK_BYTES))) {
    throw brokenIndex(action, `its chunks are said to have ${least}, ${usual} and ${most} bytes`);
  }
  const flags = u64(16);
  if ((flags & ARCHIVE_FLAGS) !== 0n) {
    throw new FastboopError({
      kind: "unsupported",
      action,
      state: "it is the index of an archive (.caidx), not of an image",
      hint: "Use a .caibx index, as casync and desync make of one file",
    });
  }
  return flags;
}

function checkTail(action: string, view: DataView): void {
  const at = view.byteLength - TAIL_BYTES;
  const said = [0, 8, 16, 24, 32].map((field) => view.getBigUint64(at + field, true));
  const tableBytes = BigInt(view.byteLength - HEADER_BYTES);
  const right = [0n, 0n, BigInt(HEADER_BYTES), tableBytes, TAIL_MARK];
  if (said.some((value, i) => value !== right[i])) throw brokenIndex(action, "it ends wrong");
}

function brokenIndex(action: string, state: string): FastboopError {
  return new FastboopError({ kind: "corrupt", action, state, hint: "Fetch the index again" });
}
