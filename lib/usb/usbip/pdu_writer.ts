/**
 * The sending side of a USB/IP connection: whole messages, in order, few system calls.
 *
 * Headers and small payloads queued in one turn of the event loop leave in one write; large payloads
 * are written from the caller's array, which must stay unchanged until its transfer ends. A message once
 * queued is always finished: a server that gets half a payload before the end may crash.
 */
import type { ByteStream } from "./byte_stream.ts";
import { writeAll } from "./byte_stream.ts";

const BATCH_BYTES = 32 * 1024;
/** Up to here a payload is copied behind its header; above, a write of its own is cheaper. */
const COPY_BYTES = 4 * 1024;

interface Batch {
  bytes: Uint8Array<ArrayBuffer>;
  view: DataView;
  used: number;
}

/** Queues messages and writes them; `onFault` hears of the first failure, after which all is dropped. */
export class PduWriter {
  readonly #stream: ByteStream;
  readonly #onFault: (error: unknown) => void;
  #queue: (Batch | Uint8Array)[] = [];
  #open: Batch | undefined;
  #spare: Batch | undefined;
  #running: Promise<void> | undefined;
  #dead = false;

  constructor(stream: ByteStream, onFault: (error: unknown) => void) {
    this.#stream = stream;
    this.#onFault = onFault;
  }

  /** Queues a header of `headerBytes`, which `encode` writes in place, and its payload. */
  send(
    headerBytes: number,
    encode: (view: DataView, offset: number) => void,
    payload?: Uint8Array,
  ): void {
    if (this.#dead) return;
    const copied = payload !== undefined && payload.length <= COPY_BYTES ? payload.length : 0;
    const batch = this.#room(headerBytes + copied);
    encode(batch.view, batch.used);
    batch.used += headerBytes;
    if (payload !== undefined && payload.length > 0) {
      if (copied > 0) {
        batch.bytes.set(payload, batch.used);
        batch.used += copied;
      } else {
        this.#queue.push(payload);
        this.#open = undefined;
      }
    }
    this.#running ??= this.#run();
  }

  /** Settles when everything queued so far has been written or dropped. */
  async drained(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Drops what is queued; nothing is written any more. */
  stop(): void {
    this.#dead = true;
    this.#queue = [];
    this.#open = undefined;
  }

  #room(sizeBytes: number): Batch {
    const open = this.#open;
    if (open !== undefined && open.used + sizeBytes <= BATCH_BYTES) return open;
    const fresh = this.#spare ?? newBatch();
    this.#spare = undefined;
    fresh.used = 0;
    this.#queue.push(fresh);
    this.#open = fresh;
    return fresh;
  }

  async #run(): Promise<void> {
    try {
      await Promise.resolve(); // lets the rest of this turn join the first batch
      for (;;) {
        const next = this.#queue.shift();
        if (next === undefined) return;
        if (next instanceof Uint8Array) {
          await writeAll(this.#stream, next);
          continue;
        }
        if (next === this.#open) this.#open = undefined;
        await writeAll(this.#stream, next.bytes.subarray(0, next.used));
        this.#spare = next;
      }
    } catch (error) {
      const first = !this.#dead;
      this.stop();
      if (first) this.#onFault(error);
    } finally {
      this.#running = undefined;
    }
  }
}

function newBatch(): Batch {
  const bytes = new Uint8Array(BATCH_BYTES);
  return { bytes, view: new DataView(bytes.buffer), used: 0 };
}
