/**
 * A Reader of content that is stored in blocks of known sizes, each decodable alone.
 *
 * Small blocks are decoded whole and kept in memory; larger ones are decoded front to
 * back into scratch space, two of them at a time, since each needs a window of its own.
 */
import { cancelled, FastboopError } from "../errors/errors.ts";
import { checkBounds } from "../sources/bounds.ts";
import { MemorySpill } from "../sources/memory_spill.ts";
import { ReadAhead } from "../sources/read_ahead.ts";
import type { Reader, ReadOptions } from "../sources/reader.ts";
import { Semaphore } from "../sources/semaphore.ts";
import type { Spill, SpillFactory } from "../sources/spill.ts";
import { DecodedBlocks, type LoadBlock } from "./decoded_blocks.ts";
import { type PieceDecoder, SequentialReader } from "./sequential_reader.ts";

/** Largest block that is decoded whole. */
export const MAX_WHOLE_BLOCK_BYTES = 64 << 20;
/** Of scratch space in memory, where none is given. */
const MEMORY_SPILL_BYTES = 256 << 20;
const LARGE_AT_A_TIME = 2;

export interface BlockReaderOptions {
  readonly identity: string;
  /** The stored file: owned, disposed with this reader. */
  readonly source: Reader;
  /** Content of each block. */
  readonly plainSizes: readonly number[];
  readonly load: LoadBlock;
  /** Blocks that are not decoded whole: see MAX_WHOLE_BLOCK_BYTES. */
  readonly isLarge: (index: number) => boolean;
  /** Begins decoding a large block. */
  readonly beginLarge: (index: number) => PieceDecoder;
  /** Bytes of decoded blocks kept. */
  readonly cacheBytes?: number | undefined;
  readonly spill?: SpillFactory | undefined;
  /** Decodes blocks ahead of sequential readers; pays where other threads decode. */
  readonly readsAhead: boolean;
}

export class BlockReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #options: BlockReaderOptions;
  /** Where each block begins, and at last the size. */
  readonly #starts: Float64Array;
  readonly #blocks: DecodedBlocks;
  readonly #readAhead: ReadAhead | undefined;
  /** What the sequence seen last is about to read. */
  #ahead = { from: 0, to: 0 };
  readonly #large = new Map<number, Promise<SequentialReader>>();
  /** Large blocks that may hold a decoder, least recently used first. */
  readonly #awake = new Set<number>();
  readonly #largeSlots = new Semaphore(LARGE_AT_A_TIME);
  readonly #closing = new AbortController();
  #spill: Promise<Spill> | undefined;

  constructor(options: BlockReaderOptions) {
    this.#options = options;
    this.identity = options.identity;
    this.#starts = new Float64Array(options.plainSizes.length + 1);
    options.plainSizes.forEach((sizeBytes, i) => {
      this.#starts[i + 1] = this.#starts[i]! + sizeBytes;
    });
    this.sizeBytes = this.#starts.at(-1)!;
    const cacheBytes = options.cacheBytes ?? 64 << 20;
    this.#blocks = new DecodedBlocks(options.load, { capacityBytes: cacheBytes });
    if (options.readsAhead) this.#readAhead = new ReadAhead(1, cacheBytes / 4);
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    const { signal } = options;
    checkBounds(this, offsetBytes, into.length);
    this.#refuse(signal);
    const parts: [index: number, from: number, to: number][] = [];
    const endBytes = offsetBytes + into.length;
    for (let at = offsetBytes, index = this.#blockAt(at); at < endBytes; index++) {
      const to = Math.min(endBytes, this.#starts[index + 1]!);
      if (to > at) parts.push([index, at, to]);
      at = to;
    }
    // One after the other: the blocks of a large read may be more than what may be held.
    for (const [index, from, to] of parts) {
      const part = into.subarray(from - offsetBytes, to - offsetBytes);
      const start = from - this.#starts[index]!;
      if (this.#options.isLarge(index)) await this.#readLarge(index, start, part, signal);
      else {
        const getting = this.#blocks.get(index, signal);
        // Behind the request itself, so that the next block is on its way while this one is waited for.
        this.#planAhead(from, to - from);
        const block = await getting;
        part.set(block.subarray(start, start + part.length));
      }
      this.#refuse(signal);
    }
  }

  #refuse(signal?: AbortSignal): void {
    const action = `Read ${this.identity}`;
    if (signal?.aborted) throw cancelled(action, signal);
    if (!this.#closing.signal.aborted) return;
    throw new FastboopError({ kind: "cancelled", action, state: "it is closed" });
  }

  #blockAt(offsetBytes: number): number {
    let [low, high] = [0, this.#starts.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle]! <= offsetBytes) low = middle;
      else high = middle;
    }
    return low;
  }

  /** The blocks ahead of a sequence, as long as one may be begun. */
  #planAhead(offsetBytes: number, lengthBytes: number): void {
    const range = this.#readAhead?.note(offsetBytes, lengthBytes);
    if (range) this.#ahead = { from: offsetBytes, to: Math.min(range.to, this.sizeBytes) };
    const { from, to } = this.#ahead;
    if (offsetBytes < from || offsetBytes >= to) return;
    const next = this.#blockAt(Math.max(offsetBytes + lengthBytes - 1, 0)) + 1;
    const end = Math.min(
      Math.max(this.#blockAt(to - 1), next) + 1,
      this.#options.plainSizes.length,
    );
    for (let index = next; index < end; index++) {
      if (!this.#options.isLarge(index) && !this.#blocks.prefetch(index)) return;
    }
  }

  async #readLarge(
    index: number,
    offsetBytes: number,
    into: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    const reader = await this.#openLarge(index);
    const endBytes = offsetBytes + into.length;
    const release = reader.isReady(endBytes)
      ? undefined
      : await this.#acquire(reader, endBytes, signal);
    try {
      if (release) await this.#wake(index);
      await reader.readAt(offsetBytes, into, signal ? { signal } : {});
    } finally {
      release?.();
    }
  }

  /** The right to have a block decoded; undefined when others had it decoded as far meanwhile. */
  async #acquire(
    reader: SequentialReader,
    endBytes: number,
    signal?: AbortSignal,
  ): Promise<(() => void) | undefined> {
    const ready = new AbortController();
    const unwatch = reader.watch(() => {
      if (reader.isReady(endBytes)) ready.abort();
    });
    const stops = [this.#closing.signal, ready.signal, ...signal ? [signal] : []];
    try {
      return await this.#largeSlots.acquire(AbortSignal.any(stops));
    } catch (error) {
      this.#refuse(signal);
      if (ready.signal.aborted) return undefined;
      throw error;
    } finally {
      unwatch();
    }
  }

  /** Lets the block keep a decoder; those used longest ago give theirs back. */
  async #wake(index: number): Promise<void> {
    this.#awake.delete(index);
    this.#awake.add(index);
    for (const other of this.#awake) {
      if (this.#awake.size <= LARGE_AT_A_TIME) break;
      if (await (await this.#openLarge(other)).rest()) this.#awake.delete(other);
    }
  }

  #openLarge(index: number): Promise<SequentialReader> {
    const known = this.#large.get(index);
    if (known) return known;
    const opening = this.#scratch().then((spill) =>
      new SequentialReader({
        identity: this.identity,
        sizeBytes: this.#options.plainSizes[index]!,
        begin: () => this.#options.beginLarge(index),
        spill,
        spillOffsetBytes: this.#starts[index]!,
      })
    );
    this.#large.set(index, opening);
    opening.catch(() => this.#large.delete(index));
    return opening;
  }

  #scratch(): Promise<Spill> {
    const make = this.#options.spill ?? (async () => await new MemorySpill(MEMORY_SPILL_BYTES));
    const spill = this.#spill ??= make();
    spill.catch(() => this.#spill = undefined);
    return spill;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await this.#blocks[Symbol.asyncDispose]();
    for (const opened of await Promise.allSettled(this.#large.values())) {
      if (opened.status === "fulfilled") await opened.value[Symbol.asyncDispose]();
    }
    const [spill] = await Promise.allSettled([this.#spill]);
    if (spill.status === "fulfilled") await spill.value?.[Symbol.asyncDispose]();
    await this.#options.source[Symbol.asyncDispose]();
  }
}
