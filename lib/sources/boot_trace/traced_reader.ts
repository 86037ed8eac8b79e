/**
 * A Reader that notes which blocks are asked for, and has those of the last run fetched ahead.
 *
 * It lies above the memory cache, so that what is read ahead there is not noted. The trace is saved when the
 * reader is disposed, and now and then before: a host that is killed has it too.
 */
import { checkBounds } from "../bounds.ts";
import { BLOCK_BYTES } from "../disk_cache/block_format.ts";
import type { CachedReader } from "../disk_cache/cached_reader.ts";
import type { DiskCache } from "../disk_cache/disk_cache.ts";
import type { Reader, ReadOptions } from "../reader.ts";
import { mergeTraces } from "./merge_traces.ts";
import { encodeTrace, MAX_TRACE_BLOCKS } from "./trace_format.ts";
import { TracePrefetch } from "./trace_prefetch.ts";

export interface TracedReaderCounters {
  /** Blocks of the trace that were not on disk when they were first asked for. */
  foregroundWaits: number;
  /** Blocks of the trace that were. */
  hits: number;
  /** Bytes the prefetch got from upstream. */
  prefetchedBytes: number;
}

export class TracedReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #pages: Reader;
  readonly #disk: CachedReader;
  readonly #cache: DiskCache;
  readonly #known: Uint32Array;
  readonly #prefetch: TracePrefetch;
  readonly #touched: Uint8Array;
  /** Blocks in order of first use in this run. */
  readonly #order: number[] = [];
  /** Of `#order`, those that the trace does not have. */
  #newBlocks = 0;
  #savedBlocks = 0;
  #saving: Promise<void> | undefined;
  #waits = 0;
  #hits = 0;
  #closed = false;

  private constructor(
    pages: Reader,
    disk: CachedReader,
    cache: DiskCache,
    known: Uint32Array,
  ) {
    this.sizeBytes = pages.sizeBytes;
    this.identity = pages.identity;
    this.#pages = pages;
    this.#disk = disk;
    this.#cache = cache;
    this.#known = known;
    this.#touched = new Uint8Array(disk.layout.blockCount);
    this.#prefetch = new TracePrefetch(disk, known);
  }

  /** Begins to note and to fetch ahead. Owns `pages`, which reads through `disk`, and disposes it. */
  static async open(
    pages: Reader,
    disk: CachedReader,
    cache: DiskCache,
  ): Promise<TracedReader> {
    const known = await cache.loadTrace(disk.layout) ?? new Uint32Array();
    await disk.ready();
    return new TracedReader(pages, disk, cache, known);
  }

  get counters(): TracedReaderCounters {
    const { prefetchedBytes } = this.#prefetch;
    return { foregroundWaits: this.#waits, hits: this.#hits, prefetchedBytes };
  }

  /** Whether blocks are being fetched ahead: what else is read ahead would only be in their way. */
  get isPrefetching(): boolean {
    return this.#prefetch.isRunning;
  }

  /** Resolves when nothing is left to fetch ahead. */
  get prefetched(): Promise<void> {
    return this.#prefetch.ended;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    checkBounds(this, offsetBytes, into.length);
    if (!this.#closed) this.#note(offsetBytes, into.length);
    await this.#pages.readAt(offsetBytes, into, options);
  }

  #note(offsetBytes: number, lengthBytes: number): void {
    const end = Math.ceil((offsetBytes + lengthBytes) / BLOCK_BYTES);
    for (let block = Math.floor(offsetBytes / BLOCK_BYTES); block < end; block++) {
      if (this.#touched[block] !== 0) continue;
      this.#touched[block] = 1;
      if (this.#order.length < MAX_TRACE_BLOCKS) this.#order.push(block);
      if (!this.#prefetch.has(block)) this.#newBlocks++;
      else if (this.#disk.has(block)) this.#hits++;
      else this.#waits++;
    }
    // In growing steps, so that a trace of any length is written a few times only.
    const step = Math.max(64, this.#savedBlocks / 2);
    if (this.#newBlocks - this.#savedBlocks >= step) this.#saving ??= this.#save();
  }

  async #save(): Promise<void> {
    this.#savedBlocks = this.#newBlocks;
    const blocks = mergeTraces(this.#known, this.#order, MAX_TRACE_BLOCKS);
    await this.#cache.saveTrace(this.#disk.layout, encodeTrace(this.#disk.layout, blocks));
    this.#saving = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#prefetch.stop();
    await this.#saving;
    if (this.#newBlocks > this.#savedBlocks) await this.#save();
    await this.#pages[Symbol.asyncDispose]();
  }
}
