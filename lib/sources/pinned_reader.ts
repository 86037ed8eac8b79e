import { checkBounds } from "./bounds.ts";
import type { DescriptorCache, FileStamp } from "./descriptor_cache.ts";
import type { Reader, ReadOptions } from "./reader.ts";

/**
 * A file of this machine, pinned to the stamp it was listed with: its bytes, or `source` for good.
 *
 * The last part of the path may not be a link. Descriptors belong to the cache, so there is nothing to
 * close.
 */
export class PinnedReader implements Reader {
  readonly sizeBytes: number;
  readonly #path: string;
  readonly #stamp: FileStamp;
  readonly #descriptors: DescriptorCache;

  constructor(path: string, stamp: FileStamp, descriptors: DescriptorCache) {
    this.#path = path;
    this.#stamp = stamp;
    this.#descriptors = descriptors;
    this.sizeBytes = stamp.sizeBytes;
  }

  get identity(): string {
    return `file:${this.#path}?size=${this.sizeBytes}&mtime=${this.#stamp.mtimeMs}`;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options?: ReadOptions): Promise<void> {
    checkBounds(this, offsetBytes, into.length);
    await this.#descriptors.read(this.#path, this.#stamp, offsetBytes, into, options?.signal);
  }

  /** Nothing to do: the descriptor belongs to the cache. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
