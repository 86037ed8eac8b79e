import { checkBounds } from "../sources/bounds.ts";
import type { Reader, ReadOptions } from "../sources/reader.ts";

/** Where a window lies and what becomes of its source. */
export interface WindowOptions {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** Default `window:(<identity of the source>):offset=N:size=N`. */
  readonly identity?: string;
  /** Whether the window disposes its source. Default false: several windows may lie over one. */
  readonly owns?: boolean;
}

/** A byte range of a Reader as a Reader. */
export class WindowReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #source: Reader;
  readonly #offsetBytes: number;
  readonly #owns: boolean;

  /** @throws {FastboopError} `limit` when the range is not inside `source`. */
  constructor(source: Reader, options: WindowOptions) {
    const { offsetBytes, sizeBytes } = options;
    checkBounds(source, offsetBytes, sizeBytes);
    this.#source = source;
    this.#offsetBytes = offsetBytes;
    this.#owns = options.owns ?? false;
    this.sizeBytes = sizeBytes;
    this.identity = options.identity ??
      `window:(${source.identity}):offset=${offsetBytes}:size=${sizeBytes}`;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options?: ReadOptions): Promise<void> {
    checkBounds(this, offsetBytes, into.length);
    await this.#source.readAt(this.#offsetBytes + offsetBytes, into, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owns) await this.#source[Symbol.asyncDispose]();
  }
}
