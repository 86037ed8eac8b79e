/**
 * An image by pages, for the many small reads that a file system is: what is held is given at once and
 * without a copy.
 *
 * Invariants: pages held never exceed `capacityBytes`; a failed or cancelled read leaves nothing behind.
 * Bytes that were lent are only looked at, and only until the next await: their memory is used again.
 */
import { checkBounds } from "../sources/bounds.ts";
import type { Reader, ReadOptions } from "../sources/reader.ts";

/** A page; reads this long go past the cache. */
const PAGE_BYTES = 128 << 10;
const CAPACITY_BYTES = 16 << 20;

/** Bytes that are there, and where in their space they begin. */
export class HeldBytes {
  readonly offsetBytes: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(offsetBytes: number, bytes: Uint8Array) {
    this.offsetBytes = offsetBytes;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

const NONE = new HeldBytes(0, new Uint8Array(0));

/** It owns its upstream reader. */
export class ImagePages implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #upstream: Reader;
  readonly #capacityPages: number;
  /** In order of use, oldest first. */
  readonly #pages = new Map<number, HeldBytes>();
  /** Reads without a signal, which many may wait for. */
  readonly #running = new Map<number, Promise<void>>();
  /** Memory of pages that went. */
  readonly #spare: Uint8Array[] = [];
  /** The page looked at last, which mostly is the next one too. */
  #last = NONE;

  constructor(upstream: Reader, capacityBytes = CAPACITY_BYTES) {
    this.#upstream = upstream;
    this.sizeBytes = upstream.sizeBytes;
    this.identity = upstream.identity;
    this.#capacityPages = Math.max(1, Math.floor(capacityBytes / PAGE_BYTES));
  }

  /** The page, lent, that has all the bytes, when it is held. */
  held(offsetBytes: number, lengthBytes: number): HeldBytes | undefined {
    let from = offsetBytes - this.#last.offsetBytes;
    if (from < 0 || from >= this.#last.bytes.length) {
      const page = Math.floor(offsetBytes / PAGE_BYTES);
      if (!this.#turnTo(page)) return undefined;
      from = offsetBytes - page * PAGE_BYTES;
    }
    return from + lengthBytes <= this.#last.bytes.length ? this.#last : undefined;
  }

  /** The bytes, lent, when one page that is held has them all. */
  peek(offsetBytes: number, lengthBytes: number): Uint8Array | undefined {
    const held = this.held(offsetBytes, lengthBytes);
    if (held === undefined) return undefined;
    const from = offsetBytes - held.offsetBytes;
    return held.bytes.subarray(from, from + lengthBytes);
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    checkBounds(this, offsetBytes, into.length);
    if (into.length >= PAGE_BYTES) return await this.#upstream.readAt(offsetBytes, into, options);
    const end = offsetBytes + into.length;
    for (let at = offsetBytes; at < end;) {
      const page = Math.floor(at / PAGE_BYTES);
      // Again where many others came in between and it is gone once more.
      while (!this.#turnTo(page)) await this.#load(page, options);
      const start = page * PAGE_BYTES;
      const part = this.#last.bytes.subarray(at - start, end - start);
      into.set(part, at - offsetBytes);
      at += part.length;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pages.clear();
    this.#last = NONE;
    await this.#upstream[Symbol.asyncDispose]();
  }

  /** Makes `page` the last one when it is held. */
  #turnTo(page: number): boolean {
    const held = this.#pages.get(page);
    if (held === undefined) return false;
    this.#pages.delete(page);
    this.#pages.set(page, held);
    this.#last = held;
    return true;
  }

  #load(page: number, options: ReadOptions): Promise<void> {
    // One that can be aborted is its caller's own: the others would lose theirs with it.
    if (options.signal !== undefined) return this.#read(page, options);
    let running = this.#running.get(page);
    if (running === undefined) {
      running = this.#read(page, options).finally(() => this.#running.delete(page));
      this.#running.set(page, running);
    }
    return running;
  }

  async #read(page: number, options: ReadOptions): Promise<void> {
    const start = page * PAGE_BYTES;
    const lengthBytes = Math.min(PAGE_BYTES, this.sizeBytes - start);
    const spare = lengthBytes === PAGE_BYTES ? this.#spare.pop() : undefined;
    const bytes = spare ?? new Uint8Array(lengthBytes);
    await this.#upstream.readAt(start, bytes, options);
    if (this.#pages.has(page)) return;
    this.#pages.set(page, new HeldBytes(start, bytes));
    if (this.#pages.size <= this.#capacityPages) return;
    const [oldest, old] = this.#pages.entries().next().value!;
    this.#pages.delete(oldest);
    if (old === this.#last) this.#last = NONE;
    if (this.#spare.length === 0 && old.bytes.length === PAGE_BYTES) this.#spare.push(old.bytes);
  }
}

/** Bytes of any space: lent when they are there, else a copy. */
export function lend(
  space: Reader,
  offsetBytes: number,
  lengthBytes: number,
  options?: ReadOptions,
): HeldBytes | Promise<HeldBytes> {
  const held = space instanceof ImagePages ? space.held(offsetBytes, lengthBytes) : undefined;
  if (held !== undefined) return held;
  const bytes = new Uint8Array(lengthBytes);
  return space.readAt(offsetBytes, bytes, options).then(() => new HeldBytes(offsetBytes, bytes));
}
