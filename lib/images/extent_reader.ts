/**
 * A Reader over pieces of another one, of holes and of repeated words: what a sparse image, a member of an
 * archive and a file in several extents have in common. A read costs O(log n) and the pieces it touches.
 */
import { checkBounds } from "../sources/bounds.ts";
import type { Reader, ReadOptions } from "../sources/reader.ts";

/** In place of an origin: the extent is a repeated word. */
const FILLED = -1;
/** Pieces of one read that are fetched at a time. */
const PARALLEL = 16;

/** Where each byte of the output comes from, made front to back. */
export class ExtentMap {
  sizeBytes = 0;
  count = 0;
  #starts = new Float64Array(16);
  #origins = new Float64Array(16);
  #words = new Uint32Array(16);

  /** The next `lengthBytes` lie at `originBytes` of the source. */
  addData(lengthBytes: number, originBytes: number): void {
    const last = this.count - 1;
    const joins = last >= 0 && this.#origins[last]! !== FILLED &&
      this.#origins[last]! + this.sizeBytes - this.#starts[last]! === originBytes;
    this.#add(lengthBytes, originBytes, 0, joins);
  }

  /** The next `lengthBytes` are zeros, or `word` (little-endian) again and again. */
  addFill(lengthBytes: number, word = 0): void {
    const last = this.count - 1;
    const joins = last >= 0 && this.#origins[last]! === FILLED && this.#words[last]! === word &&
      (word === 0 || (this.sizeBytes - this.#starts[last]!) % 4 === 0);
    this.#add(lengthBytes, FILLED, word, joins);
  }

  /** The extent that holds a byte, by binary search. */
  indexOf(offsetBytes: number): number {
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#starts[middle]! <= offsetBytes) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** `origin` is undefined for a filled extent. */
  extent(
    index: number,
  ): { startBytes: number; endBytes: number; origin: number | undefined; word: number } {
    const origin = this.#origins[index]!;
    return {
      startBytes: this.#starts[index]!,
      endBytes: index + 1 < this.count ? this.#starts[index + 1]! : this.sizeBytes,
      origin: origin === FILLED ? undefined : origin,
      word: this.#words[index]!,
    };
  }

  #add(lengthBytes: number, origin: number, word: number, joins: boolean): void {
    if (lengthBytes === 0) return;
    if (!joins) {
      if (this.count === this.#starts.length) this.#grow();
      this.#starts[this.count] = this.sizeBytes;
      this.#origins[this.count] = origin;
      this.#words[this.count++] = word;
    }
    this.sizeBytes += lengthBytes;
  }

  #grow(): void {
    const [starts, origins, words] = [this.#starts, this.#origins, this.#words];
    this.#starts = new Float64Array(starts.length * 2);
    this.#origins = new Float64Array(starts.length * 2);
    this.#words = new Uint32Array(starts.length * 2);
    this.#starts.set(starts);
    this.#origins.set(origins);
    this.#words.set(words);
  }
}

/** A map of one piece. */
export function windowMap(offsetBytes: number, sizeBytes: number): ExtentMap {
  const map = new ExtentMap();
  map.addData(sizeBytes, offsetBytes);
  return map;
}

/** The output of a map. Whoever makes one has checked that all origins lie inside `source`. */
export class ExtentReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #source: Reader;
  readonly #map: ExtentMap;
  readonly #owns: boolean;

  /** `owns`: disposing this disposes `source`. */
  constructor(identity: string, source: Reader, map: ExtentMap, owns: boolean) {
    this.identity = identity;
    this.sizeBytes = map.sizeBytes;
    this.#source = source;
    this.#map = map;
    this.#owns = owns;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options?: ReadOptions): Promise<void> {
    checkBounds(this, offsetBytes, into.length);
    const endBytes = offsetBytes + into.length;
    let running: Promise<void>[] = [];
    for (let at = offsetBytes, i = this.#map.indexOf(at); at < endBytes; i++) {
      const extent = this.#map.extent(i);
      const to = Math.min(extent.endBytes, endBytes);
      const part = into.subarray(at - offsetBytes, to - offsetBytes);
      const skipBytes = at - extent.startBytes;
      if (extent.origin === undefined) fill(part, extent.word, skipBytes);
      else running.push(this.#source.readAt(extent.origin + skipBytes, part, options));
      if (running.length === PARALLEL) {
        await all(running);
        running = [];
      }
      at = to;
    }
    await all(running);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owns) await this.#source[Symbol.asyncDispose]();
  }
}

/** Waits for all, so that nothing writes into the caller's array after the read was answered. */
async function all(running: readonly Promise<void>[]): Promise<void> {
  if (running.length > 1) await Promise.allSettled(running);
  await Promise.all(running);
}

function fill(part: Uint8Array, word: number, skipBytes: number): void {
  if (word === 0) {
    part.fill(0);
    return;
  }
  const first = Math.min(4, part.length);
  for (let i = 0; i < first; i++) part[i] = (word >>> (8 * ((skipBytes + i) % 4))) & 255;
  for (let done = first; done < part.length; done *= 2) {
    part.copyWithin(done, 0, Math.min(done, part.length - done));
  }
}
