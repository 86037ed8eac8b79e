import { cancelled } from "../../errors/errors.ts";
import { Semaphore } from "../../sources/semaphore.ts";
import { untilAborted } from "../../sources/until_aborted.ts";

/** One load that is under way. */
interface Running {
  readonly bytes: Promise<Uint8Array>;
  readonly stop: AbortController;
  waiters: number;
}

/**
 * Chunks in memory, least recently used go first; one load per chunk however many wait for it, and `parallel`
 * loads at a time. A load nobody waits for any more is stopped; one that failed is tried anew by the next.
 */
export class ChunkCache {
  readonly #load: (chunk: number, signal: AbortSignal) => Promise<Uint8Array>;
  readonly #capacityBytes: number;
  readonly #slots: Semaphore;
  readonly #held = new Map<number, Uint8Array>();
  readonly #running = new Map<number, Running>();
  #heldBytes = 0;

  constructor(
    load: (chunk: number, signal: AbortSignal) => Promise<Uint8Array>,
    capacityBytes: number,
    parallel: number,
  ) {
    this.#load = load;
    this.#capacityBytes = capacityBytes;
    this.#slots = new Semaphore(parallel);
  }

  /** @throws {FastboopError} as loading does; `cancelled`. */
  async get(chunk: number, signal?: AbortSignal): Promise<Uint8Array> {
    if (signal?.aborted) throw cancelled("Read a casync image", signal);
    const held = this.#held.get(chunk);
    if (held !== undefined) {
      this.#held.delete(chunk);
      this.#held.set(chunk, held);
      return held;
    }
    const running = this.#running.get(chunk) ?? this.#start(chunk);
    running.waiters++;
    try {
      return await untilAborted(running.bytes, signal);
    } catch (error) {
      if (signal?.aborted) throw cancelled("Read a casync image", signal);
      throw error;
    } finally {
      running.waiters--;
      if (running.waiters === 0) this.#leave(chunk, running);
    }
  }

  /** Stops everything and forgets it. */
  async close(): Promise<void> {
    const running = [...this.#running.values()];
    for (const { stop } of running) stop.abort(cancelled("Read a casync image"));
    await Promise.allSettled(running.map(({ bytes }) => bytes));
    this.#held.clear();
    this.#heldBytes = 0;
  }

  #start(chunk: number): Running {
    const stop = new AbortController();
    const running = { bytes: this.#inSlot(chunk, stop.signal), stop, waiters: 0 };
    this.#running.set(chunk, running);
    const forget = () => {
      if (this.#running.get(chunk) === running) this.#running.delete(chunk);
    };
    running.bytes.then((bytes) => {
      forget();
      this.#hold(chunk, bytes);
    }, forget);
    return running;
  }

  async #inSlot(chunk: number, signal: AbortSignal): Promise<Uint8Array> {
    const release = await this.#slots.acquire(signal);
    try {
      return await this.#load(chunk, signal);
    } finally {
      release();
    }
  }

  /** The last one who waited has gone: when the load is still under way, it was of no use. */
  #leave(chunk: number, running: Running): void {
    if (this.#running.get(chunk) !== running) return;
    this.#running.delete(chunk);
    running.stop.abort(cancelled("Read a casync image"));
  }

  #hold(chunk: number, bytes: Uint8Array): void {
    if (this.#held.has(chunk)) return;
    this.#held.set(chunk, bytes);
    this.#heldBytes += bytes.length;
    for (const [oldest, old] of this.#held) {
      if (this.#heldBytes <= this.#capacityBytes || oldest === chunk) break;
      this.#held.delete(oldest);
      this.#heldBytes -= old.length;
    }
  }
}
