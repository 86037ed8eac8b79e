import { cancelled, FastboopError } from "../errors/errors.ts";
import type { ReadOptions } from "./reader.ts";
import type { Spill } from "./spill.ts";

const PAGE_BYTES = 256 << 10;

/** Scratch space in memory, taken by pages as they are written; what was never written reads as zeros. */
export class MemorySpill implements Spill {
  readonly #limitBytes: number;
  readonly #pages = new Map<number, Uint8Array>();
  #isClosed = false;

  /** @param limitBytes of pages held at most. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Bytes of pages held now. */
  get heldBytes(): number {
    return this.#pages.size * PAGE_BYTES;
  }

  // deno-lint-ignore require-await
  async write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    this.#refuseClosed("Write");
    eachPage(offsetBytes, bytes, (number, start, part) => this.#page(number).set(part, start));
  }

  // deno-lint-ignore require-await
  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    if (options.signal?.aborted) throw cancelled("Read scratch memory", options.signal);
    this.#refuseClosed("Read");
    eachPage(offsetBytes, into, (number, start, part) => {
      const page = this.#pages.get(number);
      if (page) part.set(page.subarray(start, start + part.length));
      else part.fill(0);
    });
  }

  #page(number: number): Uint8Array {
    const known = this.#pages.get(number);
    if (known) return known;
    if (this.heldBytes + PAGE_BYTES > this.#limitBytes) {
      throw new FastboopError({
        kind: "limit",
        action: "Keep decompressed data in memory",
        state: `there is more than ${this.#limitBytes} bytes of it`,
        hint: "Compress with random access (xz --block-size=4MiB), or decompress the image first",
      });
    }
    const page = new Uint8Array(PAGE_BYTES);
    this.#pages.set(number, page);
    return page;
  }

  #refuseClosed(verb: string): void {
    if (!this.#isClosed) return;
    const action = `${verb} scratch memory`;
    throw new FastboopError({ kind: "source", action, state: "it is closed" });
  }

  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#pages.clear();
  }
}

function eachPage(
  offsetBytes: number,
  bytes: Uint8Array,
  use: (number: number, start: number, part: Uint8Array) => void,
): void {
  for (let done = 0; done < bytes.length;) {
    const number = Math.floor((offsetBytes + done) / PAGE_BYTES);
    const start = offsetBytes + done - number * PAGE_BYTES;
    const part = bytes.subarray(done, done + PAGE_BYTES - start);
    use(number, start, part);
    done += part.length;
  }
}
