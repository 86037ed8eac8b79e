import type { Reader, ReadOptions } from "../sources/reader.ts";

/** Somebody's Reader for a while: disposing of this leaves it open. */
export class BorrowedReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #inner: Reader;

  constructor(inner: Reader) {
    this.#inner = inner;
    this.sizeBytes = inner.sizeBytes;
    this.identity = inner.identity;
  }

  readAt(offsetBytes: number, into: Uint8Array, options?: ReadOptions): Promise<void> {
    return this.#inner.readAt(offsetBytes, into, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
