import type { Reader } from "../sources/reader.ts";

const FIRST_BYTES = 16 << 10;
const MOST_BYTES = 256 << 10;
/** After a jump further than this, what follows is probably jumped over as well. */
const NEAR_BYTES = 64 << 10;
const AFTER_JUMP_BYTES = 4 << 10;

/**
 * Front-to-back looks at small records that lie between payloads of any size: one large read for many
 * records where the payloads are small, a small one where they are large.
 */
export class ScanWindow {
  readonly #reader: Reader;
  readonly #signal: AbortSignal | undefined;
  #bytes = new Uint8Array();
  #startBytes = 0;
  #nextBytes = FIRST_BYTES;

  constructor(reader: Reader, signal?: AbortSignal) {
    this.#reader = reader;
    this.#signal = signal;
  }

  /** What is already here, without waiting. The view stays as it is. */
  peek(offsetBytes: number, lengthBytes: number): Uint8Array | undefined {
    const from = offsetBytes - this.#startBytes;
    if (from < 0 || from + lengthBytes > this.#bytes.length) return undefined;
    return this.#bytes.subarray(from, from + lengthBytes);
  }

  /** The bytes at `offsetBytes`; undefined when the source ends before them. */
  async at(offsetBytes: number, lengthBytes: number): Promise<Uint8Array | undefined> {
    const leftBytes = this.#reader.sizeBytes - offsetBytes;
    if (lengthBytes > leftBytes) return undefined;
    const held = this.peek(offsetBytes, lengthBytes);
    if (held !== undefined) return held;
    const end = this.#startBytes + this.#bytes.length;
    const near = offsetBytes >= this.#startBytes && offsetBytes <= end + NEAR_BYTES;
    const readBytes = near ? this.#nextBytes : AFTER_JUMP_BYTES;
    this.#nextBytes = near ? Math.min(this.#nextBytes * 2, MOST_BYTES) : FIRST_BYTES;
    const bytes = new Uint8Array(Math.min(Math.max(readBytes, lengthBytes), leftBytes));
    await this.#reader.readAt(
      offsetBytes,
      bytes,
      this.#signal === undefined ? {} : { signal: this.#signal },
    );
    this.#bytes = bytes;
    this.#startBytes = offsetBytes;
    return bytes.subarray(0, lengthBytes);
  }
}
