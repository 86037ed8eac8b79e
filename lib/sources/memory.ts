import { cancelled } from "../errors/errors.ts";
import { checkBounds } from "./bounds.ts";
import type { Reader, ReadOptions } from "./reader.ts";

/** Bytes already in memory as a Reader. The array is not copied: its owner must leave it alone. */
export class MemoryReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  #bytes: Uint8Array;

  constructor(bytes: Uint8Array, identity: string) {
    this.#bytes = bytes;
    this.sizeBytes = bytes.length;
    this.identity = identity;
  }

  // deno-lint-ignore require-await
  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    if (options.signal?.aborted) throw cancelled(`Read ${this.identity}`, options.signal);
    checkBounds(this, offsetBytes, into.length);
    into.set(this.#bytes.subarray(offsetBytes, offsetBytes + into.length));
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
