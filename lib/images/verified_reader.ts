/**
 * A Reader whose every block is checked against its SHA-256 before a byte of it is given out.
 *
 * Blocks that were right are kept in memory, so that small reads do not hash a block again; reads of a block
 * at the same time share one fetch and one check.
 */
import { createHash } from "node:crypto";
import { FastboopError } from "../errors/errors.ts";
import { PageCache } from "../sources/page_cache.ts";
import type { Reader, ReadOptions } from "../sources/reader.ts";
import type { BlockHashes } from "./pipeline/hints.ts";

const DIGEST_BYTES = 32;
const MOST_BLOCK_BYTES = 16 << 20;
/** Fetches at a time, so that large blocks in flight stay within 64 MiB. */
const PARALLEL = 4;
/** Of right blocks that are kept, least recently used go first; at least one block is. */
const CACHE_BYTES = 8 << 20;

export class VerifiedReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #blocks: PageCache;

  /**
   * Owns `reader` and disposes it; when the hashes do not fit it stays the caller's.
   *
   * @throws {FastboopError} `source` when the hashes are of another size, `corrupt` when they are no table of
   * it. Reads throw `source` when a block is not the right one.
   */
  constructor(reader: Reader, hashes: BlockHashes) {
    checkTable(reader, hashes);
    const { blockSizeBytes } = hashes;
    this.sizeBytes = reader.sizeBytes;
    this.identity = `verified:(${reader.identity})`;
    this.#blocks = new PageCache(new CheckedBlocks(reader, hashes), {
      pageSizeBytes: blockSizeBytes,
      capacityBytes: Math.max(CACHE_BYTES, blockSizeBytes),
      parallel: PARALLEL,
      readAheadBytes: 0,
    });
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    await this.#blocks.readAt(offsetBytes, into, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#blocks[Symbol.asyncDispose]();
  }
}

/** Gives whole blocks only, as the cache above asks for them. */
class CheckedBlocks implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #reader: Reader;
  readonly #hashes: BlockHashes;

  constructor(reader: Reader, hashes: BlockHashes) {
    this.#reader = reader;
    this.#hashes = hashes;
    this.sizeBytes = reader.sizeBytes;
    this.identity = reader.identity;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    await this.#reader.readAt(offsetBytes, into, options);
    const { blockSizeBytes, hashes } = this.#hashes;
    for (let at = 0; at < into.length; at += blockSizeBytes) {
      const place = (offsetBytes + at) / blockSizeBytes * DIGEST_BYTES;
      const expected = hashes.subarray(place, place + DIGEST_BYTES);
      const found = createHash("sha256").update(into.subarray(at, at + blockSizeBytes)).digest();
      if (!found.equals(expected)) throw this.#wrong(offsetBytes + at, found, expected);
    }
  }

  #wrong(offsetBytes: number, found: Uint8Array, expected: Uint8Array): FastboopError {
    const short = (digest: Uint8Array) => digest.toHex().slice(0, 16);
    return new FastboopError({
      kind: "source",
      action: `Check the block at ${offsetBytes} of ${this.identity}`,
      state: `its SHA-256 begins with ${short(found)}, must begin with ${short(expected)}`,
      hint: "The source gave other bytes than it is known for: get the image again",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
  }
}

function checkTable(reader: Reader, { blockSizeBytes, sizeBytes, hashes }: BlockHashes): void {
  const action = `Check ${reader.identity} by the hashes of its blocks`;
  if (sizeBytes !== reader.sizeBytes) {
    const state = `it has ${reader.sizeBytes} bytes, the hashes are of ${sizeBytes}`;
    throw new FastboopError({ kind: "source", action, state });
  }
  const isBlockSize = Number.isSafeInteger(blockSizeBytes) && blockSizeBytes > 0 &&
    blockSizeBytes <= MOST_BLOCK_BYTES;
  if (isBlockSize && hashes.length === Math.ceil(sizeBytes / blockSizeBytes) * DIGEST_BYTES) return;
  const state = `${hashes.length} bytes of hashes do not fit blocks of ${blockSizeBytes} bytes`;
  throw new FastboopError({ kind: "corrupt", action, state });
}
