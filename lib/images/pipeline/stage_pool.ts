/**
 * Stages that are open, so that what several pipelines have in common is opened once: one index, one
 * decoded cache, one connection.
 *
 * Invariant: a stage is closed when the last of its users has closed it. One user's abort does not end
 * an opening another one waits for: that one begins it anew.
 */
import { cancelled, FastboopError } from "../../errors/errors.ts";
import type { Reader, ReadOptions } from "../../sources/reader.ts";
import { untilAborted } from "../../sources/until_aborted.ts";

interface Stage {
  readonly opening: Promise<Reader>;
  users: number;
}

export class StagePool {
  readonly #stages = new Map<string, Stage>();

  /** Stages that are open or being opened. */
  get size(): number {
    return this.#stages.size;
  }

  /**
   * A share of the stage named `key`, which `open` opens when nobody has it. The Reader gives the share
   * back when it is disposed.
   */
  async share(key: string, open: () => Promise<Reader>, signal?: AbortSignal): Promise<Reader> {
    for (;;) {
      if (signal?.aborted) throw cancelled("Open a pipeline", signal);
      let stage = this.#stages.get(key);
      const isOwn = stage === undefined;
      if (stage === undefined) this.#stages.set(key, stage = { opening: open(), users: 0 });
      const held = stage;
      held.users++;
      try {
        const reader = await (isOwn ? held.opening : untilAborted(held.opening, signal));
        return new Share(reader, () => this.#release(key, held));
      } catch (error) {
        if (!isOwn && signal?.aborted) {
          await this.#release(key, held).catch(() => {});
          continue;
        }
        if (this.#stages.get(key) === held) this.#stages.delete(key);
        const wasStopped = error instanceof FastboopError && error.kind === "cancelled";
        if (isOwn || !wasStopped) throw error;
      }
    }
  }

  async #release(key: string, stage: Stage): Promise<void> {
    if (--stage.users > 0) return;
    if (this.#stages.get(key) === stage) this.#stages.delete(key);
    await (await stage.opening)[Symbol.asyncDispose]();
  }
}

class Share implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #reader: Reader;
  readonly #release: () => Promise<void>;
  #isClosed = false;

  constructor(reader: Reader, release: () => Promise<void>) {
    this.#reader = reader;
    this.#release = release;
    this.sizeBytes = reader.sizeBytes;
    this.identity = reader.identity;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options?: ReadOptions): Promise<void> {
    if (this.#isClosed) {
      const action = `Read ${this.identity}`;
      throw new FastboopError({ kind: "cancelled", action, state: "it is closed" });
    }
    await this.#reader.readAt(offsetBytes, into, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#release();
  }
}
