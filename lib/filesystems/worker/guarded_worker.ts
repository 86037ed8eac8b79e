/**
 * A worker without permissions that cannot keep anybody waiting for ever.
 *
 * While calls wait it is looked at once per `tickMs`. One that says nothing, not even to a ping, for
 * `silentTicks` looks is ended, and so is one during whose work the process grows by `growthBytes`: a heap
 * that reaches V8's limit would take the process along. Looks are counted and not timed, so that main being
 * busy itself does not count against the worker.
 *
 * Deno (2.9) does not interrupt a thread inside a synchronous loop: what was ended may go on computing until
 * the process ends. Nobody waits for it.
 */
import { memoryUsage } from "node:process";
import { FastboopError } from "../../errors/errors.ts";
import type { MainCalls, WorkerCalls } from "./calls.ts";
import { type Handlers, Peer } from "./peer.ts";

export interface GuardOptions {
  /** Default 1 s. */
  tickMs?: number;
  /** Default 30. */
  silentTicks?: number;
  /** Default 2 GiB. */
  growthBytes?: number;
}

export class GuardedWorker implements Disposable {
  readonly peer: Peer<WorkerCalls, MainCalls>;
  readonly #worker: Worker;
  readonly #options: Required<GuardOptions>;
  readonly #baseBytes = memoryUsage.rss();
  #tick: ReturnType<typeof setTimeout> | undefined;
  #silentTicks = 0;

  constructor(url: URL, handlers: Handlers<MainCalls>, options: GuardOptions = {}) {
    this.#options = {
      tickMs: options.tickMs ?? 1000,
      silentTicks: options.silentTicks ?? 30,
      growthBytes: options.growthBytes ?? 2 * 2 ** 30,
    };
    this.#worker = new Worker(url, { type: "module", deno: { permissions: "none" } });
    const port = {
      postMessage: (message: unknown, transfer: Transferable[]) => {
        this.#worker.postMessage(message, transfer);
        this.#watch();
      },
    };
    this.peer = new Peer(port, handlers, (state) => this.end("internal", state));
    this.#worker.onmessage = ({ data }) => {
      this.#silentTicks = 0;
      this.peer.receive(data);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.end("internal", `it died: ${event.message}`);
    };
    this.#worker.onmessageerror = () => this.end("internal", "a message of it cannot be read");
  }

  /** Ends the worker; everybody who waits for it is told why. */
  end(kind: "internal" | "limit" | "cancelled", state: string): void {
    clearTimeout(this.#tick);
    this.#tick = undefined;
    this.#worker.terminate();
    this.peer.fail(new FastboopError({ kind, action: "Read the image", state }));
  }

  [Symbol.dispose](): void {
    this.end("cancelled", "it is closed");
  }

  #watch(): void {
    if (this.#tick !== undefined || this.peer.waitingCount === 0) return;
    this.#tick = setTimeout(() => {
      this.#tick = undefined;
      this.#look();
    }, this.#options.tickMs);
  }

  #look(): void {
    if (this.peer.waitingCount === 0) return;
    const { silentTicks, growthBytes } = this.#options;
    if (memoryUsage.rss() - this.#baseBytes > growthBytes) {
      const state = `reading it took more than ${growthBytes} bytes of memory`;
      return this.end("limit", state);
    }
    if (++this.#silentTicks > silentTicks) {
      return this.end("limit", "reading it kept a processor busy for too long");
    }
    this.#worker.postMessage({ type: "ping", id: 0 });
    this.#watch();
  }
}
