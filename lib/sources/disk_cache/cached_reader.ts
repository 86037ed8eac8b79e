/**
 * A Reader whose blocks are kept on disk.
 *
 * What the disk holds comes from there, checked; the rest is fetched in whole blocks, at most 1 MiB at a time,
 * and stored. The disk may fail in any way: then this reads like its upstream.
 */
import { cancelled, FastboopError } from "../../errors/errors.ts";
import { checkBounds } from "../bounds.ts";
import type { Reader, ReadOptions } from "../reader.ts";
import { BLOCK_BYTES, type BlockLayout, runBytes } from "./block_format.ts";
import { BlockFlights, type Flight } from "./block_flights.ts";
import type { BlockStore } from "./block_store.ts";

export const FETCH_BLOCKS = 8;
/** A read is worked on by slices of this size, so that a large one needs no more memory. */
const SLICE_BYTES = 4 << 20;

/** What a reader did so far. */
export interface CachedReaderCounters {
  /** Bytes of blocks that came from disk and were right. */
  diskBytes: number;
  /** Bytes got from upstream. */
  fetchedBytes: number;
  /** Blocks the disk claimed to have and did not. */
  lostBlocks: number;
}

export class CachedReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly layout: BlockLayout;
  readonly counters: CachedReaderCounters = { diskBytes: 0, fetchedBytes: 0, lostBlocks: 0 };
  readonly #upstream: Reader;
  readonly #openStore: () => Promise<BlockStore>;
  readonly #flights = new BlockFlights();
  readonly #reads = new Set<Promise<void>>();
  #opening: Promise<BlockStore> | undefined;
  #store: BlockStore | undefined;
  #waitingReads = 0;
  #closed: FastboopError | undefined;

  /** Owns `upstream` and disposes it. */
  constructor(upstream: Reader, layout: BlockLayout, openStore: () => Promise<BlockStore>) {
    this.#upstream = upstream;
    this.sizeBytes = upstream.sizeBytes;
    this.identity = upstream.identity;
    this.layout = layout;
    this.#openStore = openStore;
  }

  /** Reads that wait for upstream now. */
  get waitingReads(): number {
    return this.#waitingReads;
  }

  /** Opens the file on disk; reads do so themselves. */
  async ready(): Promise<void> {
    if (this.#closed) throw this.#closed;
    this.#opening ??= this.#openStore();
    this.#store = await this.#opening;
  }

  /** Whether the disk claims to have a block. */
  has(block: number): boolean {
    return this.#store?.has(block) ?? false;
  }

  /** Whether fill() may begin with a block: it is neither there nor on its way. */
  isIdle(block: number): boolean {
    return !this.has(block) && this.#flights.get(block) === undefined;
  }

  /**
   * Brings idle blocks to disk, at most FETCH_BLOCKS; resolves to the bytes fetched.
   *
   * @throws {FastboopError} as upstream does, `cancelled`.
   */
  async fill(first: number, count: number, signal: AbortSignal): Promise<number> {
    if (this.#closed) throw this.#closed;
    const flight = this.#start(first, count);
    return (await this.#flights.join(flight, `Read ${this.identity}`, signal)).length;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    checkBounds(this, offsetBytes, into.length);
    const { signal } = options;
    if (signal?.aborted) throw cancelled(`Read ${this.identity}`, signal);
    if (this.#closed) throw this.#closed;
    const reading = this.#read(offsetBytes, into, signal);
    const quiet = reading.catch(() => {});
    this.#reads.add(quiet);
    await quiet;
    this.#reads.delete(quiet);
    await reading;
  }

  async #read(offsetBytes: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.ready();
    for (let done = 0; done < into.length; done += SLICE_BYTES) {
      if (signal?.aborted) throw cancelled(`Read ${this.identity}`, signal);
      const slice = new Slice(offsetBytes + done, into.subarray(done, done + SLICE_BYTES));
      await this.#readSlice(slice, signal);
    }
  }

  async #readSlice(slice: Slice, signal?: AbortSignal): Promise<void> {
    let missing = await this.#takeFromDisk(slice, slice.blocks());
    if (missing.length > 0) {
      await this.#store!.refresh(missing[0]!, missing.at(-1)! - missing[0]! + 1);
      missing = await this.#takeFromDisk(slice, missing);
    }
    if (missing.length > 0) await this.#takeFromUpstream(slice, missing, signal);
  }

  /** The result is the blocks that are not there. */
  async #takeFromDisk(slice: Slice, blocks: readonly number[]): Promise<number[]> {
    const missing = blocks.filter((block) => !this.has(block));
    const there = runsOf(blocks.filter((block) => this.has(block)), SLICE_BYTES / BLOCK_BYTES);
    await Promise.all(there.map(async ([first, count]) => {
      const lengthBytes = runBytes(this.layout, first, count);
      const place = slice.placeOf(first * BLOCK_BYTES, lengthBytes);
      const bytes = place ?? new Uint8Array(lengthBytes);
      const lost = await this.#store!.read(first, count, bytes);
      if (place === undefined) slice.put(first * BLOCK_BYTES, bytes);
      this.counters.lostBlocks += lost.length;
      this.counters.diskBytes += Math.max(0, lengthBytes - lost.length * BLOCK_BYTES);
      missing.push(...lost);
    }));
    return missing.sort((a, b) => a - b);
  }

  async #takeFromUpstream(
    slice: Slice,
    blocks: readonly number[],
    signal?: AbortSignal,
  ): Promise<void> {
    const waits = new Set<Flight>();
    const absent = blocks.filter((block) => {
      const flight = this.#flights.get(block);
      if (flight) waits.add(flight);
      return flight === undefined;
    });
    if (this.#closed) throw this.#closed;
    for (const [first, count] of runsOf(absent, FETCH_BLOCKS)) {
      waits.add(this.#start(first, count));
    }
    this.#waitingReads++;
    try {
      const jobs = [...waits].map(async (flight) => {
        const bytes = await this.#flights.join(flight, `Read ${this.identity}`, signal);
        slice.put(flight.first * BLOCK_BYTES, bytes);
      });
      // All are waited for: nothing may write into the caller's array after the read was answered.
      await Promise.allSettled(jobs);
      await Promise.all(jobs);
    } finally {
      this.#waitingReads--;
    }
  }

  #start(first: number, count: number): Flight {
    return this.#flights.start(first, count, async (signal) => {
      const bytes = new Uint8Array(runBytes(this.layout, first, count));
      await this.#upstream.readAt(first * BLOCK_BYTES, bytes, { signal });
      this.counters.fetchedBytes += bytes.length;
      await this.#store!.write(first, bytes);
      return bytes;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    const action = `Read ${this.identity}`;
    this.#closed = new FastboopError({ kind: "cancelled", action, state: "it is closed" });
    await this.#flights.stopAll(this.#closed);
    await Promise.all(this.#reads);
    await (await this.#opening)?.close();
    await this.#upstream[Symbol.asyncDispose]();
  }
}

/** Part of a source and the bytes it goes to. */
class Slice {
  constructor(readonly offsetBytes: number, readonly into: Uint8Array) {}

  blocks(): number[] {
    const first = Math.floor(this.offsetBytes / BLOCK_BYTES);
    const end = Math.ceil((this.offsetBytes + this.into.length) / BLOCK_BYTES);
    return Array.from({ length: end - first }, (_, i) => first + i);
  }

  /** Where these bytes go, when the slice has all of them. */
  placeOf(offsetBytes: number, lengthBytes: number): Uint8Array | undefined {
    const start = offsetBytes - this.offsetBytes;
    if (start < 0 || start + lengthBytes > this.into.length) return undefined;
    return this.into.subarray(start, start + lengthBytes);
  }

  /** Copies what of these bytes the slice has. */
  put(offsetBytes: number, bytes: Uint8Array): void {
    const from = Math.max(offsetBytes, this.offsetBytes);
    const to = Math.min(offsetBytes + bytes.length, this.offsetBytes + this.into.length);
    if (from >= to) return;
    this.into.set(bytes.subarray(from - offsetBytes, to - offsetBytes), from - this.offsetBytes);
  }
}

/** Ascending blocks as runs of neighbours. */
function runsOf(blocks: readonly number[], mostBlocks: number): [first: number, count: number][] {
  const runs: [number, number][] = [];
  for (const block of blocks) {
    const run = runs.at(-1);
    if (run && run[0] + run[1] === block && run[1] < mostBlocks) run[1]++;
    else runs.push([block, 1]);
  }
  return runs;
}
