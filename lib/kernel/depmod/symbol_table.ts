/**
 * Numbers for symbol names. Names stay bytes: a module tree names a quarter of a million symbols, of
 * which some 25 000 differ, and only those that are exported are ever needed as strings.
 */
import { FastboopError } from "../../errors/errors.ts";

/** Debian's kernel has about 30 000 names of 700 KiB. */
const MAX_NAMES = 1 << 22;
const MAX_TEXT_BYTES = 256 << 20;

/** Equal names get equal numbers, counted from 0. */
export class SymbolTable {
  #text = new Uint8Array(1 << 20);
  #textBytes = 0;
  /** Number of a name + 1 at its hash or behind it; a power of two, at most half full. */
  #slots = new Int32Array(1 << 17);
  #hashes = new Int32Array(1 << 15);
  /** Name `n` is `#text` from `#starts[n]` to `#starts[n + 1]`. */
  #starts = new Uint32Array((1 << 15) + 1);
  #count = 0;
  /** Differs by run, so that nobody can prepare names that all fall on one slot. */
  readonly #seed = crypto.getRandomValues(new Int32Array(1))[0]!;

  get count(): number {
    return this.#count;
  }

  /** The number of the name `bytes[start..end]`. @throws {FastboopError} `limit`. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    let hash = this.#seed;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
    hash ^= hash >>> 15;
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (let found = this.#slots[slot]!; found !== 0; found = this.#slots[slot]!) {
      if (this.#hashes[found - 1] === hash && this.#isAt(found - 1, bytes, start, end)) {
        return found - 1;
      }
      slot = (slot + 1) & mask;
    }
    return this.#add(bytes, start, end, hash, slot);
  }

  name(symbol: number): string {
    const bytes = this.#text.subarray(this.#starts[symbol], this.#starts[symbol + 1]);
    return String.fromCharCode.apply(undefined, bytes as unknown as number[]);
  }

  #isAt(symbol: number, bytes: Uint8Array, start: number, end: number): boolean {
    let at = this.#starts[symbol]!;
    if (this.#starts[symbol + 1]! - at !== end - start) return false;
    for (let i = start; i < end; i++, at++) if (bytes[i] !== this.#text[at]) return false;
    return true;
  }

  #add(bytes: Uint8Array, start: number, end: number, hash: number, slot: number): number {
    const sizeBytes = end - start;
    if (this.#count >= MAX_NAMES || this.#textBytes + sizeBytes > MAX_TEXT_BYTES) {
      throw new FastboopError({
        kind: "limit",
        action: "Collect the symbols of the modules",
        state: `they are more than ${MAX_NAMES}, or longer than ${MAX_TEXT_BYTES} bytes together`,
      });
    }
    while (this.#textBytes + sizeBytes > this.#text.length) {
      this.#text = widened(this.#text, new Uint8Array(this.#text.length * 2));
    }
    this.#text.set(bytes.subarray(start, end), this.#textBytes);
    this.#textBytes += sizeBytes;
    const symbol = this.#count++;
    this.#hashes[symbol] = hash;
    this.#starts[symbol + 1] = this.#textBytes;
    this.#slots[slot] = symbol + 1;
    if (this.#count === this.#hashes.length) this.#grow();
    return symbol;
  }

  #grow(): void {
    const size = this.#count * 2;
    this.#hashes = widened(this.#hashes, new Int32Array(size));
    this.#starts = widened(this.#starts, new Uint32Array(size + 1));
    this.#slots = new Int32Array(size * 4);
    const mask = this.#slots.length - 1;
    for (let symbol = 0; symbol < this.#count; symbol++) {
      let slot = this.#hashes[symbol]! & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = symbol + 1;
    }
  }
}

function widened<List extends { set(from: List): void }>(from: List, into: List): List {
  into.set(from);
  return into;
}
