/**
 * Which physical cluster holds which bytes of a compressed file.
 *
 * Extents are sorted, the first starts at 0, each ends where the next starts, the last with the file.
 * Arrays of numbers, since an object per extent would take several times the memory.
 */

/** How an extent's stored bytes become data; from COMPRESSED on it is the algorithm plus COMPRESSED. */
export const FORMAT = { HOLE: 0, SHIFTED: 1, INTERLACED: 2, FRAGMENT: 3, COMPRESSED: 4 } as const;

/** One extent. */
export interface Extent {
  /** First byte in the file, and the one behind the last. */
  readonly start: number;
  readonly end: number;
  readonly format: number;
  /** Byte in the image, in the inode's own space when `inline`, or in the packed file of a FRAGMENT. */
  readonly physical: number;
  readonly storedBytes: number;
  /** The cluster may decode to more than the extent has. */
  readonly partial: boolean;
  readonly inline: boolean;
}

const PARTIAL = 1;
const INLINE = 2;

/** Growing table of extents. */
export class ExtentMap {
  readonly sizeBytes: number;
  #count = 0;
  #starts = new Float64Array(8);
  #physicals = new Float64Array(8);
  #stored = new Uint32Array(8);
  #formats = new Uint8Array(8);
  #flags = new Uint8Array(8);

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }

  get count(): number {
    return this.#count;
  }

  /** Appends an extent; it ends where the next one will start. */
  add(start: number, format: number, physical: number, storedBytes: number, partial = false): void {
    if (this.#count === this.#starts.length) this.#grow();
    const index = this.#count++;
    this.#starts[index] = start;
    this.#physicals[index] = physical;
    this.#stored[index] = storedBytes;
    this.#formats[index] = format;
    this.#flags[index] = partial ? PARTIAL : 0;
  }

  /** Makes the last extent a part of the packed file. */
  setLastFragment(offset: number): void {
    this.#formats[this.#count - 1] = FORMAT.FRAGMENT;
    this.#physicals[this.#count - 1] = offset;
  }

  /** Moves the last extent's stored bytes into the inode's own space. */
  setLastInline(offset: number, storedBytes: number): void {
    const index = this.#count - 1;
    this.#physicals[index] = offset;
    this.#stored[index] = storedBytes;
    this.#flags[index]! |= INLINE;
    if (this.#formats[index] === FORMAT.INTERLACED) this.#formats[index] = FORMAT.SHIFTED;
  }

  /** Sets what the index tells one record later: how much an extent stores. */
  setLastStored(storedBytes: number): void {
    this.#stored[this.#count - 1] = storedBytes;
  }

  /** Start of the last extent; -1 when there is none. */
  get lastStart(): number {
    return this.#count === 0 ? -1 : this.#starts[this.#count - 1]!;
  }

  at(index: number): Extent {
    const flags = this.#flags[index]!;
    return {
      start: this.#starts[index]!,
      end: index + 1 < this.#count ? this.#starts[index + 1]! : this.sizeBytes,
      format: this.#formats[index]!,
      physical: this.#physicals[index]!,
      storedBytes: this.#stored[index]!,
      partial: (flags & PARTIAL) !== 0,
      inline: (flags & INLINE) !== 0,
    };
  }

  /** Index of the extent with byte `offset`. */
  find(offset: number): number {
    let low = 0;
    let high = this.#count - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #grow(): void {
    const size = this.#count * 2;
    const grown = <T extends Float64Array | Uint32Array | Uint8Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#starts = grown(this.#starts, new Float64Array(size));
    this.#physicals = grown(this.#physicals, new Float64Array(size));
    this.#stored = grown(this.#stored, new Uint32Array(size));
    this.#formats = grown(this.#formats, new Uint8Array(size));
    this.#flags = grown(this.#flags, new Uint8Array(size));
  }
}
