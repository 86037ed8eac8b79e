/**
 * xz decoders on threads of their own, for who has thousands of small files to decompress.
 *
 *     await using pool = new XzPool();
 *     const plain = await pool.decode(stored, limitBytes);
 *
 * The workers have no permissions: they see the bytes they are given and nothing else.
 */
import { FastboopError } from "../../errors/errors.ts";
import type { XzReply, XzRequest } from "./xz_worker.ts";

/** What must be readable for the workers to start. */
export const XZ_WORKER = new URL("./xz_worker.ts", import.meta.url);

type Waiting = PromiseWithResolvers<Uint8Array>;

export class XzPool implements AsyncDisposable {
  readonly #workers: PoolWorker[] = [];
  readonly #size: number;
  #isClosed = false;

  constructor(size = 2) {
    this.#size = size;
  }

  /**
   * As decodeXz(), on the worker with the least to do. `stored` is moved to it and empty afterwards.
   *
   * @throws {FastboopError} `corrupt`, `limit`, `unsupported`; `cancelled` once the pool is closed, `internal`
   * when a worker died.
   */
  readonly decode = (stored: Uint8Array, limitBytes: number): Promise<Uint8Array> => {
    // A worker that nobody ends would keep the program alive.
    if (this.#isClosed) return Promise.reject(failure("cancelled", "the pool was closed"));
    let chosen = this.#workers.find((worker) => worker.load === 0);
    if (!chosen && this.#workers.length < this.#size) {
      chosen = new PoolWorker();
      this.#workers.push(chosen);
    }
    chosen ??= this.#workers.reduce((a, b) => b.load < a.load ? b : a);
    return chosen.decode({ stored, limitBytes });
  };

  [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const worker of this.#workers.splice(0)) worker.end();
    return Promise.resolve();
  }
}

class PoolWorker {
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  /** Why it answers no more. */
  #ended: FastboopError | undefined;

  constructor() {
    this.#worker = new Worker(XZ_WORKER, {
      type: "module",
      deno: { permissions: "none" },
    });
    this.#worker.onmessage = ({ data }: MessageEvent<XzReply>) => {
      const waiting = this.#waiting.shift()!;
      if (data.plain) waiting.resolve(data.plain);
      else waiting.reject(new FastboopError({ action: "Decompress xz", ...data.failure! }));
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(failure("internal", event.message));
    };
  }

  /** Requests it has not answered. */
  get load(): number {
    return this.#waiting.length;
  }

  decode(request: XzRequest): Promise<Uint8Array> {
    if (this.#ended) return Promise.reject(this.#ended);
    const waiting: Waiting = Promise.withResolvers();
    const { buffer } = request.stored;
    this.#worker.postMessage(request, buffer instanceof ArrayBuffer ? [buffer] : []);
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  end(): void {
    this.#worker.terminate();
    this.#fail(failure("cancelled", "the pool was closed"));
  }

  #fail(error: FastboopError): void {
    this.#ended ??= error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#ended);
  }
}

function failure(kind: "cancelled" | "internal", state: string): FastboopError {
  return new FastboopError({ kind, action: "Decompress xz", state });
}
