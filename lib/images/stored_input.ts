import type { Reader } from "../sources/reader.ts";

/**
 * A part of a Reader as a buffer that is filled again from the front.
 *
 * `bytes[at..end]` is what is there; behind `end` at least `slackBytes` more are readable.
 */
export class StoredInput {
  readonly bytes: Uint8Array<ArrayBuffer>;
  at = 0;
  end = 0;
  readonly #reader: Reader;
  readonly #capacityBytes: number;
  #nextBytes: number;
  readonly #endBytes: number;

  constructor(
    reader: Reader,
    fromBytes: number,
    endBytes: number,
    slackBytes = 0,
    capacityBytes = 256 << 10,
  ) {
    this.#reader = reader;
    this.#nextBytes = fromBytes;
    this.#endBytes = endBytes;
    this.#capacityBytes = Math.min(capacityBytes, endBytes - fromBytes);
    this.bytes = new Uint8Array(this.#capacityBytes + slackBytes);
  }

  /** Offset of `bytes[at]` in the Reader. */
  get offsetBytes(): number {
    return this.#nextBytes - (this.end - this.at);
  }

  /** Everything has been read. */
  get isLast(): boolean {
    return this.#nextBytes >= this.#endBytes;
  }

  /** Reads on; false when there is no more. After a failure it can be called again. */
  async fill(signal?: AbortSignal): Promise<boolean> {
    const left = Math.min(this.#endBytes - this.#nextBytes, this.#capacityBytes);
    if (left <= 0) return false;
    this.bytes.copyWithin(0, this.at, this.end);
    this.end -= this.at;
    this.at = 0;
    const room = Math.min(left, this.#capacityBytes - this.end);
    if (room === 0) return true;
    const into = this.bytes.subarray(this.end, this.end + room);
    await this.#reader.readAt(this.#nextBytes, into, signal ? { signal } : {});
    this.#nextBytes += room;
    this.end += room;
    return true;
  }

  /** Whether so many bytes are there, after reading on where they are not; at most the capacity. */
  async has(countBytes: number, signal?: AbortSignal): Promise<boolean> {
    while (this.end - this.at < countBytes) {
      if (countBytes > this.#capacityBytes || !await this.fill(signal)) return false;
    }
    return true;
  }

  /** The next bytes, without a copy; has() has said that they are there. */
  take(countBytes: number): Uint8Array<ArrayBuffer> {
    this.at += countBytes;
    return this.bytes.subarray(this.at - countBytes, this.at);
  }

  /** Goes on so many bytes further; those not read yet are never read. False beyond the end. */
  skip(countBytes: number): boolean {
    const left = this.end - this.at;
    if (countBytes > left + this.#endBytes - this.#nextBytes) return false;
    this.at += Math.min(countBytes, left);
    this.#nextBytes += Math.max(0, countBytes - left);
    return true;
  }
}
