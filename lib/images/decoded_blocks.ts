/**
 * Decoded blocks in memory, for containers with random access.
 *
 * Invariants: a block is decoded once however many wait for it, and never twice at a time; blocks held never
 * exceed `capacityBytes`, except that the last one used stays; blocks on their way never exceed `parallel`; a
 * failed decode leaves nothing behind; one reader's abort ends a decode only when nobody else waits for it.
 */
import { cancelled, FastboopError } from "../errors/errors.ts";
import { Semaphore } from "../sources/semaphore.ts";
import { untilAborted } from "../sources/until_aborted.ts";

/** Gives one block's content; `signal` ends it, where that is possible, when nobody waits any more. */
export type LoadBlock = (index: number, signal: AbortSignal) => Promise<Uint8Array>;

export interface DecodedBlocksOptions {
  /** Bytes of blocks kept, least recently used go first. Default 64 MiB. */
  capacityBytes?: number;
  /** Blocks decoded at a time. Default 2. */
  parallel?: number;
}

/** Blocks held, so that those of a few bytes do not cost many times as much. */
const MOST_HELD = 1 << 16;

interface Loading {
  readonly block: Promise<Uint8Array>;
  readonly stop: AbortController;
  waiters: number;
  /** Read ahead: it goes on though nobody waits. */
  isAhead: boolean;
}

export class DecodedBlocks implements AsyncDisposable {
  readonly #load: LoadBlock;
  readonly #capacityBytes: number;
  readonly #slots: Semaphore;
  /** In order of use, oldest first. */
  readonly #held = new Map<number, Uint8Array>();
  readonly #loading = new Map<number, Loading>();
  #heldBytes = 0;
  #closed = false;

  constructor(load: LoadBlock, options: DecodedBlocksOptions = {}) {
    this.#load = load;
    this.#capacityBytes = options.capacityBytes ?? 64 << 20;
    this.#slots = new Semaphore(options.parallel ?? 2);
  }

  /** Memory of blocks held now; what zlib gives is often the beginning of a larger buffer. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * The block's content, which must not be written to.
   *
   * @throws {FastboopError} what loading it throws, `cancelled`.
   */
  async get(index: number, signal?: AbortSignal): Promise<Uint8Array> {
    const action = `Read block ${index}`;
    for (;;) {
      if (signal?.aborted) throw cancelled(action, signal);
      if (this.#closed) throw closed(action);
      const held = this.#held.get(index);
      if (held) {
        this.#held.delete(index);
        this.#held.set(index, held);
        return held;
      }
      const loading = this.#loading.get(index) ?? this.#begin(index);
      if (!loading.stop.signal.aborted) return await this.#join(action, loading, signal);
      // A worker goes on with what it was told to stop: it is waited for, and taken if it came so far.
      await untilAborted(loading.block, signal).catch(() => {});
    }
  }

  /**
   * Decodes a block that will be asked for soon; its failure shows to whoever asks. One at a time that nobody
   * waits for yet: false says that there is one.
   */
  prefetch(index: number): boolean {
    if (this.#closed) return false;
    if (this.#held.has(index) || this.#loading.has(index)) return true;
    for (const { isAhead, waiters } of this.#loading.values()) {
      if (isAhead && waiters === 0) return false;
    }
    this.#begin(index).isAhead = true;
    return true;
  }

  #begin(index: number): Loading {
    const stop = new AbortController();
    const block = this.#run(index, stop.signal);
    const loading: Loading = { block, stop, waiters: 0, isAhead: false };
    this.#loading.set(index, loading);
    const forget = () => this.#loading.delete(index);
    block.then((bytes) => {
      forget();
      this.#hold(index, bytes);
    }, forget);
    return loading;
  }

  async #run(index: number, signal: AbortSignal): Promise<Uint8Array> {
    const release = await this.#slots.acquire(signal);
    try {
      return await this.#load(index, signal);
    } finally {
      release();
    }
  }

  async #join(action: string, loading: Loading, signal?: AbortSignal): Promise<Uint8Array> {
    loading.waiters++;
    try {
      return await untilAborted(loading.block, signal);
    } catch (error) {
      if (signal?.aborted) throw cancelled(action, signal);
      if (this.#closed) throw closed(action);
      throw error;
    } finally {
      loading.waiters--;
      if (signal?.aborted && loading.waiters === 0 && !loading.isAhead) loading.stop.abort();
    }
  }

  #hold(index: number, bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#held.set(index, bytes);
    this.#heldBytes += bytes.buffer.byteLength;
    for (const [oldest, old] of this.#held) {
      const fits = this.#heldBytes <= this.#capacityBytes && this.#held.size <= MOST_HELD;
      if (fits || this.#held.size === 1) break;
      this.#held.delete(oldest);
      this.#heldBytes -= old.buffer.byteLength;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const running = [...this.#loading.values()];
    for (const { stop } of running) stop.abort();
    await Promise.allSettled(running.map(({ block }) => block));
    this.#held.clear();
    this.#heldBytes = 0;
  }
}

function closed(action: string): FastboopError {
  return new FastboopError({ kind: "cancelled", action, state: "it is closed" });
}
