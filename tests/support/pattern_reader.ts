/**
 * A disk whose every block can be recomputed from a seed and its number, so that a test can tell the
 * right bytes of any read without keeping them.
 *
 * The generator is smoo's (crates/smoo-host-blocksources, random source): per block the state starts
 * as seed XOR block number, and every 8 bytes are state = splitmix64(state), little-endian.
 */
import { FastboopError } from "../../lib/errors/errors.ts";
import type { Reader, ReadOptions } from "../../lib/sources/reader.ts";

export interface PatternOptions {
  /** Below 2^53. */
  seed: number;
  blockSizeBytes: number;
  sizeBytes: number;
}

export class PatternReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #seed: number;
  readonly #blockSizeBytes: number;

  constructor(options: PatternOptions) {
    this.#seed = options.seed;
    this.#blockSizeBytes = options.blockSizeBytes;
    this.sizeBytes = options.sizeBytes;
    this.identity = `pattern:${options.seed}:${options.blockSizeBytes}:${options.sizeBytes}`;
  }

  readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    if (offsetBytes < 0 || offsetBytes + into.length > this.sizeBytes) {
      const state = `${offsetBytes} + ${into.length} is beyond ${this.sizeBytes}`;
      return Promise.reject(
        new FastboopError({ kind: "limit", action: "Read a pattern", state }),
      );
    }
    this.fill(offsetBytes, into);
    return Promise.resolve();
  }

  /** The bytes that belong at `offsetBytes`; beyond the end too. */
  fill(offsetBytes: number, into: Uint8Array): void {
    const blockSizeBytes = this.#blockSizeBytes;
    let done = 0;
    while (done < into.length) {
      const at = offsetBytes + done;
      const block = Math.floor(at / blockSizeBytes);
      const skipBytes = at - block * blockSizeBytes;
      const takeBytes = Math.min(blockSizeBytes - skipBytes, into.length - done);
      const target = into.subarray(done, done + takeBytes);
      if (takeBytes === blockSizeBytes) fillBlock(this.#seed, block, target);
      else {
        const whole = new Uint8Array(blockSizeBytes);
        fillBlock(this.#seed, block, whole);
        target.set(whole.subarray(skipBytes, skipBytes + takeBytes));
      }
      done += takeBytes;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** One block. 64-bit arithmetic in halves: BigInt would make the test the slowest part. */
function fillBlock(seed: number, block: number, into: Uint8Array): void {
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
  let low = (seed ^ block) | 0;
  let high = (Math.floor(seed / 0x1_0000_0000) ^ Math.floor(block / 0x1_0000_0000)) | 0;
  for (let at = 0; at < into.length; at += 8) {
    const sum = (low >>> 0) + 0x7f4a7c15;
    high = (high + 0x9e3779b9 + (sum > 0xffff_ffff ? 1 : 0)) | 0;
    low = sum | 0;
    // z = (z ^ z >>> 30) * 0xbf58476d1ce4e5b9
    let foldedLow = low ^ ((low >>> 30) | (high << 2));
    let foldedHigh = high ^ (high >>> 30);
    high = (highProduct(foldedLow, 0x1ce4e5b9) + Math.imul(foldedLow, 0xbf58476d) +
      Math.imul(foldedHigh, 0x1ce4e5b9)) | 0;
    low = Math.imul(foldedLow, 0x1ce4e5b9);
    // z = (z ^ z >>> 27) * 0x94d049bb133111eb
    foldedLow = low ^ ((low >>> 27) | (high << 5));
    foldedHigh = high ^ (high >>> 27);
    high = (highProduct(foldedLow, 0x133111eb) + Math.imul(foldedLow, 0x94d049bb) +
      Math.imul(foldedHigh, 0x133111eb)) | 0;
    low = Math.imul(foldedLow, 0x133111eb);
    // z ^ z >>> 31
    low ^= (low >>> 31) | (high << 1);
    high ^= high >>> 31;
    view.setInt32(at, low, true);
    view.setInt32(at + 4, high, true);
  }
}

/** Upper 32 bits of the product of two unsigned 32-bit numbers. */
function highProduct(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const cross = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 0x1_0000) + (cross >>> 16)) | 0;
}
