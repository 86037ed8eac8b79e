/**
 * An image that lies in a chunk store, by its index: a `.caibx` of casync or desync.
 *
 * Nothing is served or kept before its length and digest were compared. Source: pipeline.md 2.2.
 */
import { cancelled, FastboopError } from "../../errors/errors.ts";
import { checkBounds } from "../../sources/bounds.ts";
import type { Reader, ReadOptions } from "../../sources/reader.ts";
import type { ContainerOptions } from "../container.ts";
import { DecodedBlocks } from "../decoded_blocks.ts";
import { type CasyncIndex, readCasyncIndex } from "./casync_index.ts";
import { ChunkLoader } from "./chunk_loader.ts";
import type { ChunkStore } from "../../sources/chunk_store.ts";

const PARALLEL = 8;
/** Chunks that are decoded at a time, when they are the largest there can be. */
const RUNNING_BYTES = 128 << 20;
/** Chunks one read has under way: what it holds is bounded with them. */
const WINDOW = 2 * PARALLEL;

/**
 * Opens an image by its index. The reader owns `index` once this has succeeded.
 *
 * @throws {FastboopError} `corrupt`, `limit`, `unsupported` for an archive index; reads also `source` when a
 * chunk is not there.
 */
export async function openCasync(
  index: Reader,
  chunks: ChunkStore,
  options: ContainerOptions = {},
): Promise<Reader> {
  const action = `Open the casync index ${index.identity}`;
  const parsed = await readCasyncIndex(action, index, options.signal);
  const parallel = Math.min(PARALLEL, Math.floor(RUNNING_BYTES / (parsed.largestBytes || 1)));
  const loader = new ChunkLoader(parsed, chunks, options.decodeXz);
  const decoded = new DecodedBlocks((chunk, signal) => loader.load(chunk, signal), {
    ...(options.cacheBytes === undefined ? {} : { capacityBytes: options.cacheBytes }),
    parallel: Math.max(1, parallel),
  });
  return new CasyncReader(index, parsed, decoded);
}

class CasyncReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #indexReader: Reader;
  readonly #index: CasyncIndex;
  readonly #chunks: DecodedBlocks;
  #closed = false;

  constructor(indexReader: Reader, index: CasyncIndex, chunks: DecodedBlocks) {
    this.identity = `casync:(${indexReader.identity})`;
    this.sizeBytes = index.ends.at(-1) ?? 0;
    this.#indexReader = indexReader;
    this.#index = index;
    this.#chunks = chunks;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    checkBounds(this, offsetBytes, into.length);
    if (options.signal?.aborted) throw cancelled(`Read ${this.identity}`, options.signal);
    if (this.#closed) {
      const action = `Read ${this.identity}`;
      throw new FastboopError({ kind: "cancelled", action, state: "it is closed" });
    }
    if (into.length === 0) return;
    const first = this.#chunkAt(offsetBytes);
    const last = this.#chunkAt(offsetBytes + into.length - 1);
    for (let from = first; from <= last; from += WINDOW) {
      const count = Math.min(WINDOW, last - from + 1);
      const jobs = Array.from({ length: count }, async (_, i) => {
        this.#copy(from + i, await this.#chunks.get(from + i, options.signal), offsetBytes, into);
      });
      // All are waited for: nothing may write into the caller's array after the read was answered.
      await Promise.allSettled(jobs);
      await Promise.all(jobs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#chunks[Symbol.asyncDispose]();
    await this.#indexReader[Symbol.asyncDispose]();
  }

  #copy(chunk: number, bytes: Uint8Array, offsetBytes: number, into: Uint8Array): void {
    const start = chunk === 0 ? 0 : this.#index.ends[chunk - 1]!;
    const from = Math.max(offsetBytes, start);
    const to = Math.min(offsetBytes + into.length, start + bytes.length);
    into.set(bytes.subarray(from - start, to - start), from - offsetBytes);
  }

  /** The first chunk that ends behind the byte. */
  #chunkAt(offsetBytes: number): number {
    let low = 0;
    let high = this.#index.chunkCount - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#index.ends[middle]! > offsetBytes) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
