/** A Reader over bytes whose reads fail, wait or lie when a test says so. */
import { FastboopError } from "../../lib/errors/errors.ts";
import type { Reader, ReadOptions } from "../../lib/sources/reader.ts";

/** What happens to one read. */
export interface ReadFault {
  /** Reject with `source`. */
  fail?: boolean;
  /** Wait for this first; an abort ends the wait. */
  until?: Promise<void>;
  /** Fill only this many bytes and say nothing, which no Reader may do. */
  shortBytes?: number;
  /** Flip the bits of the first byte. */
  wrong?: boolean;
}

export class FaultyReader implements Reader {
  readonly sizeBytes: number;
  readonly identity = "faulty";
  /** Every read that came, in order. */
  readonly reads: { offsetBytes: number; lengthBytes: number; aborted: boolean }[] = [];
  disposed = false;
  #bytes: Uint8Array;
  #fault: (index: number, offsetBytes: number) => ReadFault | undefined;

  /** `fault` is asked before each read, with its number from 0. */
  constructor(
    bytes: Uint8Array,
    fault: (index: number, offsetBytes: number) => ReadFault | undefined = () => undefined,
  ) {
    this.#bytes = bytes;
    this.#fault = fault;
    this.sizeBytes = bytes.length;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    const record = { offsetBytes, lengthBytes: into.length, aborted: false };
    const fault = this.#fault(this.reads.push(record) - 1, offsetBytes) ?? {};
    if (fault.until) await this.#wait(fault.until, record, options.signal);
    if (fault.fail) {
      throw new FastboopError({ kind: "source", action: "Read faulty", state: "told to fail" });
    }
    const length = fault.shortBytes ?? into.length;
    into.set(this.#bytes.subarray(offsetBytes, offsetBytes + length));
    if (fault.wrong) into[0]! ^= 0xff;
  }

  #wait(until: Promise<void>, record: { aborted: boolean }, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        record.aborted = true;
        reject(signal!.reason);
      };
      if (signal?.aborted) return onAbort();
      signal?.addEventListener("abort", onAbort, { once: true });
      until.then(resolve, reject).finally(() => signal?.removeEventListener("abort", onAbort));
    });
  }

  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    this.disposed = true;
  }
}
