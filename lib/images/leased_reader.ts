import type { Reader, ReadOptions } from "../sources/reader.ts";

/**
 * A Reader lent: disposing of it leaves the source open, for an opening may still fail, or somebody else owns
 * it. After `keep()`, which says that the opening succeeded, disposing closes the source.
 */
export class LeasedReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #source: Reader;
  #isKept = false;

  constructor(source: Reader) {
    this.#source = source;
    this.sizeBytes = source.sizeBytes;
    this.identity = source.identity;
  }

  keep(): void {
    this.#isKept = true;
  }

  readAt(offsetBytes: number, into: Uint8Array, options?: ReadOptions): Promise<void> {
    return this.#source.readAt(offsetBytes, into, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isKept) await this.#source[Symbol.asyncDispose]();
  }
}
