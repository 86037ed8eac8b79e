/**
 * A Reader kept in memory by pages, for sources where every request costs a round trip.
 *
 * Invariants: at most one upstream read covers a page at a time; pages held never exceed
 * `capacityBytes`, pages in flight never `parallel * fetchBytes`; a failed or cancelled fetch leaves
 * nothing behind; one reader's abort ends a fetch only when nobody else waits for it.
 */
import { cancelled, FastboopError } from "../errors/errors.ts";
import { checkBounds } from "./bounds.ts";
import { ReadAhead } from "./read_ahead.ts";
import type { Reader, ReadOptions } from "./reader.ts";
import { Semaphore } from "./semaphore.ts";
import { untilAborted } from "./until_aborted.ts";

export interface PageCacheOptions {
  /** Unit of caching. Default 128 KiB, see the room's README for the measurement. */
  pageSizeBytes?: number;
  /** Bytes of pages kept, least recently used go first. Default 64 MiB. */
  capacityBytes?: number;
  /** Largest upstream read. Default 1 MiB. */
  fetchBytes?: number;
  /** Upstream reads at a time; half of them at most may be read-ahead. Default 8. */
  parallel?: number;
  /** Largest window read ahead of a sequential reader; 0 turns it off. Default 8 MiB. */
  readAheadBytes?: number;
  /** Asked at each read; while it says false nothing is read ahead. */
  mayReadAhead?: () => boolean;
}

/** What a cache did so far. */
export interface PageCacheCounters {
  /** Pages asked for that were there, or already on their way. */
  hits: number;
  /** Pages asked for that had to be fetched. */
  misses: number;
  /** Upstream reads that began. */
  fetches: number;
  /** Bytes got from upstream, read-ahead included. */
  fetchedBytes: number;
  /** Bytes given to readers. */
  servedBytes: number;
  /** Bytes of pages held now. */
  heldBytes: number;
}

/** One upstream read of whole pages on its way. */
interface Fetch {
  readonly firstPage: number;
  readonly pageCount: number;
  readonly pages: Promise<Uint8Array[]>;
  readonly stop: AbortController;
  waiters: number;
}

export class PageCache implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly counters: PageCacheCounters = {
    hits: 0,
    misses: 0,
    fetches: 0,
    fetchedBytes: 0,
    servedBytes: 0,
    heldBytes: 0,
  };
  readonly #upstream: Reader;
  readonly #pageSizeBytes: number;
  readonly #capacityBytes: number;
  readonly #fetchPages: number;
  readonly #slots: Semaphore;
  readonly #aheadSlots: number;
  readonly #readAhead: ReadAhead | undefined;
  readonly #mayReadAhead: () => boolean;
  /** In order of use, oldest first. */
  readonly #pages = new Map<number, Uint8Array>();
  readonly #fetches = new Map<number, Fetch>();
  /** Also those that were abandoned and have not ended yet. */
  readonly #running = new Set<Promise<void>>();
  /** Page runs still to be read ahead. */
  #aheadQueue: { from: number; to: number }[] = [];
  readonly #ahead = new Set<Fetch>();
  #closed = false;

  /** The cache owns its upstream reader and disposes it. */
  constructor(upstream: Reader, options: PageCacheOptions = {}) {
    this.#upstream = upstream;
    this.sizeBytes = upstream.sizeBytes;
    this.identity = upstream.identity;
    this.#pageSizeBytes = options.pageSizeBytes ?? 128 << 10;
    this.#capacityBytes = options.capacityBytes ?? 64 << 20;
    const fetchBytes = options.fetchBytes ?? 1 << 20;
    this.#fetchPages = Math.max(1, Math.floor(fetchBytes / this.#pageSizeBytes));
    const parallel = options.parallel ?? 8;
    this.#slots = new Semaphore(parallel);
    this.#aheadSlots = Math.max(1, parallel >> 1);
    this.#mayReadAhead = options.mayReadAhead ?? (() => true);
    // A window larger than a quarter of the cache would push out its own pages before their turn.
    const window = Math.min(options.readAheadBytes ?? 8 << 20, this.#capacityBytes / 4);
    if (window >= this.#pageSizeBytes) this.#readAhead = new ReadAhead(fetchBytes / 2, window);
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    const { signal } = options;
    checkBounds(this, offsetBytes, into.length);
    // In slices, so that one large read cannot ask for more pages than may be held.
    const step = this.#fetchPages * this.#pageSizeBytes * 4;
    for (let done = 0; done < into.length; done += step) {
      const slice = into.subarray(done, done + step);
      await this.#readSlice(offsetBytes + done, slice, signal);
    }
    this.counters.servedBytes += into.length;
  }

  async #readSlice(offsetBytes: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    this.#refuseClosed(signal);
    const waits = this.#collect(offsetBytes, into);
    this.#planAhead(offsetBytes, into.length);
    const jobs = [...waits].map(async ([fetch, pages]) => {
      const got = await this.#join(fetch, signal);
      for (const page of pages) this.#copy(page, got[page - fetch.firstPage]!, offsetBytes, into);
    });
    // All are waited for: nothing may write into the caller's array after the read was answered.
    await Promise.allSettled(jobs);
    if (signal?.aborted) this.#stopAhead();
    await Promise.all(jobs);
  }

  /** Copies the pages that are held; the result is the fetches to wait for, with their pages. */
  #collect(offsetBytes: number, into: Uint8Array): Map<Fetch, number[]> {
    const waits = new Map<Fetch, number[]>();
    const own = new Set<Fetch>();
    const first = Math.floor(offsetBytes / this.#pageSizeBytes);
    const end = Math.ceil((offsetBytes + into.length) / this.#pageSizeBytes);
    for (let page = first; page < end; page++) {
      const held = this.#pages.get(page);
      if (held) {
        this.counters.hits++;
        this.#pages.delete(page);
        this.#pages.set(page, held);
        this.#copy(page, held, offsetBytes, into);
        continue;
      }
      let fetch = this.#fetches.get(page);
      if (!fetch) own.add(fetch = this.#start(page, end));
      if (own.has(fetch)) this.counters.misses++;
      else this.counters.hits++;
      const wanted = waits.get(fetch);
      if (wanted) wanted.push(page);
      else waits.set(fetch, [page]);
    }
    return waits;
  }

  #copy(page: number, bytes: Uint8Array, offsetBytes: number, into: Uint8Array): void {
    const pageStart = page * this.#pageSizeBytes;
    const from = Math.max(offsetBytes, pageStart);
    const to = Math.min(offsetBytes + into.length, pageStart + bytes.length);
    into.set(bytes.subarray(from - pageStart, to - pageStart), from - offsetBytes);
  }

  /** Begins one upstream read of `page` and its missing neighbours below `endPage`. */
  #start(page: number, endPage: number): Fetch {
    const most = Math.min(endPage - page, this.#fetchPages);
    let pageCount = 1;
    while (pageCount < most && !this.#isKnown(page + pageCount)) pageCount++;
    const stop = new AbortController();
    const pages = this.#load(page, pageCount, stop.signal);
    const fetch: Fetch = { firstPage: page, pageCount, pages, stop, waiters: 0 };
    for (let i = 0; i < pageCount; i++) this.#fetches.set(page + i, fetch);
    const hold = (got: Uint8Array[]) => got.forEach((bytes, i) => this.#hold(page + i, bytes));
    const ended: Promise<void> = pages.then(hold, () => {}).finally(() => {
      this.#forget(fetch);
      this.#running.delete(ended);
    });
    this.#running.add(ended);
    return fetch;
  }

  #isKnown(page: number): boolean {
    return this.#pages.has(page) || this.#fetches.has(page);
  }

  async #load(page: number, pageCount: number, signal: AbortSignal): Promise<Uint8Array[]> {
    const release = await this.#slots.acquire(signal);
    try {
      const start = page * this.#pageSizeBytes;
      const end = Math.min(start + pageCount * this.#pageSizeBytes, this.sizeBytes);
      const bytes = new Uint8Array(end - start);
      this.counters.fetches++;
      await this.#upstream.readAt(start, bytes, { signal });
      this.counters.fetchedBytes += bytes.length;
      if (pageCount === 1) return [bytes];
      // Copies, not views: a view would keep the whole fetch in memory after its neighbours went.
      return Array.from({ length: pageCount }, (_, i) => {
        return bytes.slice(i * this.#pageSizeBytes, (i + 1) * this.#pageSizeBytes);
      });
    } finally {
      release();
    }
  }

  #hold(page: number, bytes: Uint8Array): void {
    if (this.#closed || this.#pages.has(page)) return;
    this.#pages.set(page, bytes);
    this.counters.heldBytes += bytes.length;
    for (const [oldest, old] of this.#pages) {
      if (this.counters.heldBytes <= this.#capacityBytes) break;
      this.#pages.delete(oldest);
      this.counters.heldBytes -= old.length;
    }
  }

  /** Lets later readers of these pages begin anew. */
  #forget(fetch: Fetch): void {
    for (let page = fetch.firstPage; page < fetch.firstPage + fetch.pageCount; page++) {
      if (this.#fetches.get(page) === fetch) this.#fetches.delete(page);
    }
  }

  async #join(fetch: Fetch, signal?: AbortSignal): Promise<Uint8Array[]> {
    fetch.waiters++;
    try {
      return await untilAborted(fetch.pages, signal);
    } catch (error) {
      if (signal?.aborted) throw cancelled(`Read ${this.identity}`, signal);
      throw error;
    } finally {
      fetch.waiters--;
      if (signal?.aborted && fetch.waiters === 0) this.#abandon(fetch);
    }
  }

  #abandon(fetch: Fetch, reason?: unknown): void {
    this.#forget(fetch);
    fetch.stop.abort(reason);
  }

  #planAhead(offsetBytes: number, lengthBytes: number): void {
    if (!this.#mayReadAhead()) return;
    const range = this.#readAhead?.note(offsetBytes, lengthBytes);
    if (!range) return;
    const to = Math.min(range.to, this.sizeBytes);
    this.#aheadQueue.push({
      from: Math.floor(range.from / this.#pageSizeBytes),
      to: Math.ceil(to / this.#pageSizeBytes),
    });
    // Ranges nobody has begun by now are the stalest.
    if (this.#aheadQueue.length > 16) this.#aheadQueue.shift();
    this.#pumpAhead();
  }

  #pumpAhead(): void {
    while (!this.#closed && this.#ahead.size < this.#aheadSlots) {
      const run = this.#aheadQueue[0];
      if (!run) return;
      while (run.from < run.to && this.#isKnown(run.from)) run.from++;
      if (run.from >= run.to) {
        this.#aheadQueue.shift();
        continue;
      }
      const fetch = this.#start(run.from, run.to);
      run.from += fetch.pageCount;
      this.#ahead.add(fetch);
      // A failure shows to whoever needs the page; reading on ahead would only repeat it.
      fetch.pages.catch(() => {
        if (!fetch.stop.signal.aborted) this.#stopAhead();
      }).finally(() => {
        this.#ahead.delete(fetch);
        this.#pumpAhead();
      });
    }
  }

  /** Ends all read-ahead that nobody waits for. */
  #stopAhead(): void {
    this.#aheadQueue = [];
    this.#readAhead?.reset();
    for (const fetch of this.#ahead) if (fetch.waiters === 0) this.#abandon(fetch);
  }

  #refuseClosed(signal?: AbortSignal): void {
    const action = `Read ${this.identity}`;
    if (signal?.aborted) throw cancelled(action, signal);
    if (this.#closed) {
      throw new FastboopError({ kind: "cancelled", action, state: "it is closed" });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const reason = new FastboopError({
      kind: "cancelled",
      action: `Read ${this.identity}`,
      state: "it is closed",
    });
    for (const fetch of new Set(this.#fetches.values())) this.#abandon(fetch, reason);
    await Promise.all(this.#running);
    this.#pages.clear();
    this.counters.heldBytes = 0;
    await this.#upstream[Symbol.asyncDispose]();
  }
}
