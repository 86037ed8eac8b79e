/**
 * Payload buffers, used again and again: a disk that is read for hours must not keep the garbage
 * collector busy with megabytes, and whatever the phone asks, no more than the limit is ever held.
 *
 * Buffers come in powers of two from 4 KiB to 4 MiB. What is idle counts against the limit too and is
 * given up when another size needs the room.
 */
import { FastboopError } from "../errors/errors.ts";

const SMALLEST_BYTES = 4096;

export class BufferPool {
  readonly #limitBytes: number;
  /** Idle buffers by size. */
  readonly #idle = new Map<number, Uint8Array<ArrayBuffer>[]>();
  #usedBytes = 0;
  #idleBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Bytes held by buffers in use. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** True when `take` would succeed now. */
  fits(sizeBytes: number): boolean {
    return this.#usedBytes + roundUp(sizeBytes) <= this.#limitBytes;
  }

  /**
   * A buffer of at least `sizeBytes`, with old content in it.
   *
   * @throws {FastboopError} `internal` beyond the limit: ask `fits` first.
   */
  take(sizeBytes: number): Uint8Array<ArrayBuffer> {
    const size = roundUp(sizeBytes);
    if (!this.fits(sizeBytes)) {
      const state = `${this.#usedBytes} bytes are in use`;
      throw new FastboopError({ kind: "internal", action: "Take a payload buffer", state });
    }
    this.#usedBytes += size;
    const idle = this.#idle.get(size)?.pop();
    if (idle !== undefined) {
      this.#idleBytes -= size;
      return idle;
    }
    this.#makeRoom();
    return new Uint8Array(size);
  }

  /** Gives back what `take` gave, once nobody reads or writes it any more. */
  release(buffer: Uint8Array<ArrayBuffer>): void {
    this.#usedBytes -= buffer.length;
    const shelf = this.#idle.get(buffer.length);
    if (shelf === undefined) this.#idle.set(buffer.length, [buffer]);
    else shelf.push(buffer);
    this.#idleBytes += buffer.length;
  }

  /** Lets go of a buffer for good: somebody outside may still be reading it. */
  discard(buffer: Uint8Array<ArrayBuffer>): void {
    this.#usedBytes -= buffer.length;
  }

  /** Drops idle buffers until used and idle together are within the limit. */
  #makeRoom(): void {
    for (const [size, shelf] of this.#idle) {
      while (shelf.length > 0 && this.#usedBytes + this.#idleBytes > this.#limitBytes) {
        shelf.pop();
        this.#idleBytes -= size;
      }
    }
  }
}

function roundUp(sizeBytes: number): number {
  let size = SMALLEST_BYTES;
  while (size < sizeBytes) size *= 2;
  return size;
}
