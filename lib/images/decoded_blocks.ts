/**
 * Decoded blocks in memory, for containers with random access.
 *
 * Invariants: a block is decoded once however many wait for it; blocks held never exceed `capacityBytes`,
 * except that the last one used stays; blocks on their way never exceed `parallel`; a failed or stopped
 * decode leaves nothing behind; one reader's abort ends a decode only when nobody else waits for it.
 */
import { cancelled, FastboopError } from "../errors/errors.ts";
import { Semaphore } from "../sources/semaphore.ts";
import { untilAborted } from "../sources/until_aborted.ts";

/** Gives one block's content; `signal` ends it when nobody waits any more. */
export type LoadBlock = (index: number, signal: AbortSignal) => Promise<Uint8Array>;

export interface DecodedBlocksOptions {
  /** Bytes of blocks kept, least recently used go first. Default 64 MiB. */
  capacityBytes?: number;
  /** Blocks decoded at a time. Default 2. */
  parallel?: number;
}

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

  /** Bytes of blocks held now. */
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
    if (signal?.aborted) throw cancelled(action, signal);
    if (this.#closed) throw closed(action);
    const held = this.#held.get(index);
    if (held) {
      this.#held.delete(index);
      this.#held.set(index, held);
      return held;
    }
    return await this.#join(action, this.#loading.get(index) ?? this.#begin(index), signal);
  }

  /** Decodes a block that will be asked for soon; its failure shows to whoever asks. */
  prefetch(index: number): void {
    if (this.#closed || this.#held.has(index) || this.#loading.has(index)) return;
    // One at a time that nobody waits for yet.
    if ([...this.#loading.values()].some(({ isAhead, waiters }) => isAhead && waiters === 0)) {
      return;
    }
    this.#begin(index).isAhead = true;
  }

  #begin(index: number): Loading {
    const stop = new AbortController();
    const block = this.#run(index, stop.signal);
    const loading: Loading = { block, stop, waiters: 0, isAhead: false };
    this.#loading.set(index, loading);
    block.then((bytes) => {
      if (this.#loading.get(index) === loading) this.#hold(index, bytes);
    }, () => {}).finally(() => this.#forget(index, loading));
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
      if (signal?.aborted && loading.waiters === 0 && !loading.isAhead) this.#abandon(loading);
    }
  }

  #abandon(loading: Loading): void {
    for (const [index, other] of this.#loading) if (other === loading) this.#forget(index, loading);
    loading.stop.abort();
  }

  /** Lets later readers of this block begin anew. */
  #forget(index: number, loading: Loading): void {
    if (this.#loading.get(index) === loading) this.#loading.delete(index);
  }

  #hold(index: number, bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#held.set(index, bytes);
    this.#heldBytes += bytes.length;
    for (const [oldest, old] of this.#held) {
      if (this.#heldBytes <= this.#capacityBytes || this.#held.size === 1) break;
      this.#held.delete(oldest);
      this.#heldBytes -= old.length;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const running = [...this.#loading.values()];
    for (const loading of running) this.#abandon(loading);
    await Promise.allSettled(running.map(({ block }) => block));
    this.#held.clear();
    this.#heldBytes = 0;
  }
}

function closed(action: string): FastboopError {
  return new FastboopError({ kind: "cancelled", action, state: "it is closed" });
}
