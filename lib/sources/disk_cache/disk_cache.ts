/**
 * A directory that keeps what was read from slow sources for the next run.
 *
 * Invariants: at most `capacityBytes` and half of the free space are taken (each program that writes may be 64
 * MiB beyond it for a moment); whole files go, the least recently used first. A disk that is full, read-only or
 * forbidden costs one warning and nothing else.
 */
import { FastboopError } from "../../errors/errors.ts";
import { printable } from "../../bytes/printable.ts";
import { mostTraceBytes, parseTrace } from "../boot_trace/trace_format.ts";
import type { Reader } from "../reader.ts";
import { type BlockLayout, blockLayout } from "./block_format.ts";
import { BlockStore } from "./block_store.ts";
import { CachedReader } from "./cached_reader.ts";
import { evict } from "./evict.ts";
import { HostStorage } from "./host_storage.ts";
import { isPinned } from "./is_pinned.ts";
import type { CacheStorage } from "./storage.ts";

export interface DiskCacheOptions {
  /** Default 8 GiB. */
  capacityBytes?: number;
  /** Left free on the disk, whatever the capacity. Default 1 GiB. */
  keepFreeBytes?: number;
  /** Called once at most. */
  onWarning?: (text: string) => void;
}

export const DEFAULT_CAPACITY_BYTES = 8 * 2 ** 30;
/** Between two looks at what the directory takes. */
const STEP_BYTES = 64 << 20;

export class DiskCache {
  readonly #storage: CacheStorage | undefined;
  readonly #capacityBytes: number;
  readonly #keepFreeBytes: number;
  readonly #onWarning: (text: string) => void;
  #warned = false;
  /** Keys of the files that are open here, and how often. */
  readonly #used = new Map<string, number>();
  #budgetBytes = 0;
  /** While the cache is full: bytes to pass over until the next look. */
  #skipBytes = 0;
  #measuring: Promise<void> | undefined;

  /** Without a storage nothing is kept. */
  constructor(storage: CacheStorage | undefined, options: DiskCacheOptions = {}) {
    this.#storage = storage;
    this.#capacityBytes = options.capacityBytes ?? DEFAULT_CAPACITY_BYTES;
    this.#keepFreeBytes = options.keepFreeBytes ?? 2 ** 30;
    this.#onWarning = options.onWarning ?? (() => {});
  }

  /** Opens a directory, which is made when it is missing. One that cannot be used gives a warning. */
  static async open(directory: string, options: DiskCacheOptions = {}): Promise<DiskCache> {
    try {
      return new DiskCache(await HostStorage.open(directory, { create: true }), options);
    } catch (error) {
      const cache = new DiskCache(undefined, options);
      cache.#warn(error);
      return cache;
    }
  }

  /**
   * A Reader that keeps what it reads. It owns `reader`; a reader whose identity does not prove its content, or
   * that is too large, comes back as it is.
   */
  wrap(reader: Reader): Reader {
    const storage = this.#storage;
    const layout = blockLayout(reader.identity, reader.sizeBytes);
    if (storage === undefined || layout === undefined || !isPinned(reader.identity)) return reader;
    return new CachedReader(reader, layout, async () => {
      this.#used.set(layout.key, (this.#used.get(layout.key) ?? 0) + 1);
      return await BlockStore.open({
        storage,
        admit: (sizeBytes) => this.#admit(storage, sizeBytes),
        warn: (error) => this.#warn(error),
        release: (key) => this.#release(key),
      }, layout);
    });
  }

  /** The boot trace of a source, if a right one is there. */
  async loadTrace(layout: BlockLayout): Promise<Uint32Array | undefined> {
    try {
      const file = await this.#storage?.open(`${layout.key}.trace`);
      if (file === undefined) return undefined;
      try {
        await file.touch();
        // One byte more than there can be: a longer file is seen as one.
        const bytes = new Uint8Array(mostTraceBytes(layout) + 1);
        return parseTrace(bytes.subarray(0, await file.read(0, bytes)), layout);
      } finally {
        await file.close();
      }
    } catch (error) {
      this.#warn(error);
      return undefined;
    }
  }

  async saveTrace(layout: BlockLayout, bytes: Uint8Array): Promise<void> {
    try {
      if (await this.#admit(this.#storage!, bytes.length)) {
        await this.#storage!.replace(`${layout.key}.trace`, bytes);
      }
    } catch (error) {
      this.#warn(error);
    }
  }

  async #admit(storage: CacheStorage, sizeBytes: number): Promise<boolean> {
    if (this.#skipBytes > 0) {
      this.#skipBytes -= sizeBytes;
      return false;
    }
    if (this.#budgetBytes < sizeBytes) {
      this.#measuring ??= this.#measure(storage).finally(() => this.#measuring = undefined);
      await this.#measuring;
    }
    if (this.#budgetBytes < sizeBytes) {
      this.#skipBytes = STEP_BYTES / 4;
      return false;
    }
    this.#budgetBytes -= sizeBytes;
    return true;
  }

  async #measure(storage: CacheStorage): Promise<void> {
    try {
      await storage.sweep();
      const limits = { capacityBytes: this.#capacityBytes, keepFreeBytes: this.#keepFreeBytes };
      const roomBytes = await evict(storage, limits, this.#used, STEP_BYTES);
      this.#budgetBytes = Math.min(STEP_BYTES, roomBytes);
    } catch (error) {
      this.#budgetBytes = 0;
      this.#warn(error);
    }
  }

  #release(key: string): void {
    const count = this.#used.get(key) ?? 0;
    if (count > 1) this.#used.set(key, count - 1);
    else this.#used.delete(key);
  }

  #warn(error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    const text = error instanceof FastboopError
      ? error.message
      : `the disk cache fails: ${
        printable(error instanceof Error ? error.message : String(error))
      }`;
    this.#onWarning(`${text}; images are read without it`);
  }
}
