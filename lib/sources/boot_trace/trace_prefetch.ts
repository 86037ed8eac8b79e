/**
 * Brings the blocks of a boot trace to disk before they are asked for.
 *
 * In the order of the trace, neighbours that the trace has soon merged into one fetch. Foreground reads come
 * first: some of the parallel requests are never used, and while a read waits only one fetch runs.
 */
import type { CachedReader } from "../disk_cache/cached_reader.ts";
import { FETCH_BLOCKS } from "../disk_cache/cached_reader.ts";

/** Fetches at a time: HTTP has 8 requests, two stay for the foreground. */
const PARALLEL = 6;
/** How far behind its turn in the trace a neighbour may be to be fetched along. */
const NEAR_ENTRIES = 512;
/** A source that fails so often is left to the foreground, which needs the answer. */
const MOST_FAILURES = 3;

export class TracePrefetch {
  prefetchedBytes = 0;
  readonly #reader: CachedReader;
  readonly #blocks: Uint32Array;
  /** Turn of each block in the trace, from 1; 0 for the others. */
  readonly #turns: Uint32Array;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #next = 0;
  #failures = 0;
  readonly #ended = Promise.withResolvers<void>();
  #isRunning = true;

  constructor(reader: CachedReader, blocks: Uint32Array) {
    this.#reader = reader;
    this.#blocks = blocks;
    this.#turns = new Uint32Array(reader.layout.blockCount);
    blocks.forEach((block, i) => this.#turns[block] = i + 1);
    this.#pump();
  }

  /** Whether the trace has a block. */
  has(block: number): boolean {
    return this.#turns[block] !== 0;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Resolves when all blocks are there, or it was stopped. Never rejects. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
    this.#end();
  }

  #end(): void {
    this.#isRunning = false;
    this.#ended.resolve();
  }

  #pump(): void {
    while (!this.#stop.signal.aborted) {
      const most = this.#reader.waitingReads > 0 ? 1 : PARALLEL;
      if (this.#running.size >= most) return;
      const run = this.#nextRun();
      if (run === undefined) {
        if (this.#running.size === 0) this.#end();
        return;
      }
      const fetching: Promise<void> = this.#load(run).finally(() => {
        this.#running.delete(fetching);
        this.#pump();
      });
      this.#running.add(fetching);
    }
  }

  async #load({ first, count }: { first: number; count: number }): Promise<void> {
    try {
      const fetchedBytes = await this.#reader.fill(first, count, this.#stop.signal);
      this.prefetchedBytes += fetchedBytes;
      this.#failures = 0;
      // A disk that takes nothing more makes reading ahead a waste.
      if (!this.#reader.has(first)) this.#stop.abort();
    } catch {
      if (++this.#failures >= MOST_FAILURES) this.#stop.abort();
    }
    if (this.#stop.signal.aborted) this.#end();
  }

  /** The next block that is missing, with the neighbours the trace wants soon. */
  #nextRun(): { first: number; count: number } | undefined {
    const blocks = this.#blocks;
    while (this.#next < blocks.length && !this.#reader.isIdle(blocks[this.#next]!)) this.#next++;
    const block = blocks[this.#next];
    if (block === undefined) return undefined;
    const lastTurn = this.#next + NEAR_ENTRIES;
    const isWanted = (other: number) => {
      const turn = this.#turns[other] ?? 0;
      return turn > this.#next && turn <= lastTurn && this.#reader.isIdle(other);
    };
    let end = block + 1;
    while (end - block < FETCH_BLOCKS && isWanted(end)) end++;
    let first = block;
    while (end - first < FETCH_BLOCKS && first > 0 && isWanted(first - 1)) first--;
    this.#next++;
    return { first, count: end - first };
  }
}
