import { FastboopError } from "../errors/errors.ts";
import { checkBounds } from "./bounds.ts";
import type { Reader, ReadOptions } from "./reader.ts";

export interface WindowOptions {
  /** Dispose the parent together with the window; default false. */
  ownsParent?: boolean;
}

/** A sub-range of another Reader: a partition, a stored member of an archive. */
export class WindowReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  #parent: Reader;
  #startBytes: number;
  #ownsParent: boolean;

  /** @throws {FastboopError} `limit` when the window does not lie inside the parent. */
  constructor(parent: Reader, startBytes: number, sizeBytes: number, options: WindowOptions = {}) {
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
      throw new FastboopError({
        kind: "limit",
        action: `Open a window of ${parent.identity}`,
        state: `its size is ${sizeBytes}`,
      });
    }
    checkBounds(parent.identity, parent.sizeBytes, startBytes, sizeBytes);
    this.#parent = parent;
    this.#startBytes = startBytes;
    this.#ownsParent = options.ownsParent ?? false;
    this.sizeBytes = sizeBytes;
    this.identity = `window:(${parent.identity}):start=${startBytes}:size=${sizeBytes}`;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options?: ReadOptions): Promise<void> {
    checkBounds(this.identity, this.sizeBytes, offsetBytes, into.length);
    await this.#parent.readAt(this.#startBytes + offsetBytes, into, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ownsParent) await this.#parent[Symbol.asyncDispose]();
  }
}
