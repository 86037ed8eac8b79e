/**
 * A Reader of a stream without random access: it is decoded front to back into scratch space, as far as
 * readers ask and a little further.
 *
 * What is promised: bytes are given as soon as they are decoded, before the check behind them is known,
 * except the last ones, which wait for it. Once a check fails or the data is seen to be broken, every read
 * that touches bytes that no check has covered ends in that error, then and later; bytes behind a good check
 * stay good. A failure of the source or of the scratch space is no damage: it ends the reads that wait, and
 * a later read tries again from there.
 */
import { setImmediate } from "node:timers";
import { cancelled, FastboopError } from "../errors/errors.ts";
import { checkBounds } from "../sources/bounds.ts";
import type { Reader, ReadOptions } from "../sources/reader.ts";
import type { Spill } from "../sources/spill.ts";

/** Decodes one stream piece by piece. */
export interface PieceDecoder {
  /**
   * The next bytes, valid until the next call; undefined at the end, when all checks were right. After a
   * failure of the source it can be called again.
   */
  next(signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** Bytes from the start on that a check has covered. */
  readonly checkedBytes: number;
  /** Gives memory outside of this program's own back; nothing is called afterwards. */
  end?(): void;
}

export interface SequentialReaderOptions {
  readonly identity: string;
  /** What the decoder must give, known from elsewhere. */
  readonly sizeBytes: number;
  /** Begins at the stream's start; called again when the reader was told to rest. */
  readonly begin: () => PieceDecoder;
  /** Stays the caller's. */
  readonly spill: Spill;
  /** Where this stream begins in `spill`. Default 0. */
  readonly spillOffsetBytes?: number;
  /** Decoded ahead of the last read. Default 2 MiB. */
  readonly readAheadBytes?: number;
}

interface Waiter {
  readonly endBytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Longest time without a turn for others, which serve USB on the same thread. */
const TURN_MS = 8;
const DAMAGE = ["corrupt", "limit", "unsupported"];

export class SequentialReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #options: SequentialReaderOptions;
  readonly #waiters = new Set<Waiter>();
  readonly #watchers = new Set<() => void>();
  #decoder: PieceDecoder | undefined;
  /** What the decoder gave so far; less than what is ready after a rest. */
  #decodedBytes = 0;
  /** A piece that the scratch space has not taken yet. */
  #piece: Uint8Array | undefined;
  #readyBytes = 0;
  #checkedBytes = 0;
  #wantedBytes = 0;
  #isFinished = false;
  #failure: unknown;
  #stop = new AbortController();
  #running: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: SequentialReaderOptions) {
    this.#options = options;
    this.sizeBytes = options.sizeBytes;
    this.identity = options.identity;
  }

  /** Whether bytes up to there are decoded. */
  isReady(endBytes: number): boolean {
    return endBytes <= this.#readyBytes && (endBytes < this.sizeBytes || this.#isFinished);
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    const { signal } = options;
    const action = `Read ${this.identity}`;
    checkBounds(this, offsetBytes, into.length);
    if (signal?.aborted) throw cancelled(action, signal);
    if (this.#isClosed) throw closed(action);
    const endBytes = offsetBytes + into.length;
    this.#refuseDamage(endBytes);
    const ahead = endBytes + (this.#options.readAheadBytes ?? 2 << 20);
    this.#wantedBytes = Math.min(ahead, this.sizeBytes);
    if (!this.isReady(endBytes)) await this.#wait(action, endBytes, signal);
    const spillOffsetBytes = this.#options.spillOffsetBytes ?? 0;
    await this.#options.spill.readAt(spillOffsetBytes + offsetBytes, into, options);
    this.#refuseDamage(endBytes);
    // Who was told to rest begins again for who waits, not to read ahead.
    if (this.#decoder) this.#start();
  }

  /** Calls `tell` whenever more is ready, until the result is called; nothing is decoded for it. */
  watch(tell: () => void): () => void {
    this.#watchers.add(tell);
    return () => this.#watchers.delete(tell);
  }

  /** Ends reading ahead and gives the decoder's memory back; false when somebody waits. */
  async rest(): Promise<boolean> {
    if (this.#waiters.size > 0) return false;
    this.#wantedBytes = 0;
    this.#stop.abort();
    await this.#running;
    if (this.#waiters.size > 0 || this.#running) return false;
    this.#drop();
    this.#decodedBytes = 0;
    return true;
  }

  #refuseDamage(endBytes: number): void {
    if (this.#failure !== undefined && endBytes > this.#checkedBytes) throw this.#failure;
  }

  #wait(action: string, endBytes: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener("abort", onAbort);
      };
      const onAbort = () => {
        leave();
        if (this.#waiters.size === 0) {
          this.#wantedBytes = 0;
          this.#stop.abort();
        }
        reject(cancelled(action, signal));
      };
      const waiter: Waiter = {
        endBytes,
        resolve: () => (leave(), resolve()),
        reject: (error) => (leave(), reject(error)),
      };
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#start();
    });
  }

  #start(): void {
    if (this.#running || this.#isClosed || !this.#isWanted()) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      // Somebody may have come while the last step ended.
      if (this.#waiters.size > 0) this.#start();
    });
  }

  #isWanted(): boolean {
    if (this.#failure !== undefined || this.#isFinished) return false;
    return this.#waiters.size > 0 || this.#readyBytes < this.#wantedBytes;
  }

  async #run(): Promise<void> {
    let turn = performance.now();
    while (!this.#isClosed && this.#isWanted()) {
      if (this.#stop.signal.aborted) this.#stop = new AbortController();
      const { signal } = this.#stop;
      try {
        await this.#step(signal);
      } catch (error) {
        // Who stopped it is gone; who came since then goes on.
        if (signal.aborted && !isDamage(error)) continue;
        this.#fail(error);
        return;
      }
      if (performance.now() - turn < TURN_MS) continue;
      await new Promise<void>((resolve) => setImmediate(resolve));
      turn = performance.now();
    }
  }

  async #step(signal: AbortSignal): Promise<void> {
    const decoder = this.#decoder ??= this.#options.begin();
    if (this.#piece === undefined) {
      const piece = await decoder.next(signal);
      this.#checkedBytes = Math.max(this.#checkedBytes, decoder.checkedBytes);
      if (piece === undefined) return this.#finish();
      if (this.#decodedBytes + piece.length > this.sizeBytes) {
        throw this.#damaged(`it holds more than ${this.sizeBytes} bytes`);
      }
      this.#piece = piece;
    }
    const endBytes = this.#decodedBytes + this.#piece.length;
    if (endBytes > this.#readyBytes) {
      const start = (this.#options.spillOffsetBytes ?? 0) + this.#decodedBytes;
      await this.#writeOut(start, this.#piece);
    }
    this.#piece = undefined;
    this.#decodedBytes = endBytes;
    this.#readyBytes = Math.max(this.#readyBytes, endBytes);
    this.#release();
  }

  async #writeOut(offsetBytes: number, piece: Uint8Array): Promise<void> {
    try {
      await this.#options.spill.write(offsetBytes, piece);
    } catch (error) {
      throw new SpillFailure(error);
    }
  }

  #finish(): void {
    if (this.#decodedBytes < this.sizeBytes) {
      throw this.#damaged(`it ends at ${this.#decodedBytes}, must at ${this.sizeBytes}`);
    }
    this.#isFinished = true;
    this.#checkedBytes = this.sizeBytes;
    this.#drop();
    this.#release();
  }

  #release(): void {
    for (const waiter of this.#waiters) if (this.isReady(waiter.endBytes)) waiter.resolve();
    for (const tell of this.#watchers) tell();
  }

  #fail(error: unknown): void {
    if (isDamage(error) || !(error instanceof FastboopError || error instanceof SpillFailure)) {
      this.#failure = error;
      this.#drop();
    }
    const reason = error instanceof SpillFailure ? error.reason : error;
    this.#wantedBytes = 0;
    for (const waiter of this.#waiters) waiter.reject(reason);
  }

  #damaged(state: string): FastboopError {
    return new FastboopError({ kind: "corrupt", action: `Decompress ${this.identity}`, state });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stop.abort();
    for (const waiter of this.#waiters) waiter.reject(closed(`Read ${this.identity}`));
    await this.#running;
    this.#drop();
  }

  #drop(): void {
    this.#decoder?.end?.();
    this.#decoder = this.#piece = undefined;
  }
}

/** Carries the scratch space's error past the question whether the stream is damaged. */
class SpillFailure {
  constructor(readonly reason: unknown) {}
}

function isDamage(error: unknown): boolean {
  return error instanceof FastboopError && DAMAGE.includes(error.kind);
}

function closed(action: string): FastboopError {
  return new FastboopError({ kind: "cancelled", action, state: "it is closed" });
}
