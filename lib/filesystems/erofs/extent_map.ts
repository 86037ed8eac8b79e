/**
 * Which physical cluster holds which bytes of a compressed file.
 *
 * Extents are sorted, the first starts at 0, each ends where the next starts, the last with the file.
 * One array of numbers, since an object per extent would take several times the memory.
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
/** How many flags there are, and formats: both and the stored bytes share one number. */
const FLAGS = 4;
const FORMATS = 32;
/** Numbers of an extent: start, physical, and stored bytes with format and flags. */
const STRIDE = 3;

/** Growing table of extents. */
export class ExtentMap {
  readonly sizeBytes: number;
  readonly #numbers: number[] = [];

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }

  get count(): number {
    return this.#numbers.length / STRIDE;
  }

  /** Appends an extent; it ends where the next one will start. */
  add(start: number, format: number, physical: number, storedBytes: number, partial = false): void {
    this.#numbers.push(start, physical, packed(storedBytes, format, partial ? PARTIAL : 0));
  }

  /** Makes the last extent a part of the packed file. */
  setLastFragment(offset: number): void {
    const { storedBytes, flags } = this.#lastWord();
    this.#setLast(offset, packed(storedBytes, FORMAT.FRAGMENT, flags));
  }

  /** Moves the last extent's stored bytes into the inode's own space. */
  setLastInline(offset: number, storedBytes: number): void {
    const { format, flags } = this.#lastWord();
    const moved = format === FORMAT.INTERLACED ? FORMAT.SHIFTED : format;
    this.#setLast(offset, packed(storedBytes, moved, flags | INLINE));
  }

  /** Sets what the index tells one record later: how much an extent stores. */
  setLastStored(storedBytes: number): void {
    const { format, flags } = this.#lastWord();
    this.#numbers[this.#numbers.length - 1] = packed(storedBytes, format, flags);
  }

  /** Start of the last extent; -1 when there is none. */
  get lastStart(): number {
    return this.#numbers.at(-STRIDE) ?? -1;
  }

  at(index: number): Extent {
    const at = index * STRIDE;
    const { storedBytes, format, flags } = unpacked(this.#numbers[at + 2]!);
    return {
      start: this.#numbers[at]!,
      end: at + STRIDE < this.#numbers.length ? this.#numbers[at + STRIDE]! : this.sizeBytes,
      format,
      physical: this.#numbers[at + 1]!,
      storedBytes,
      partial: (flags & PARTIAL) !== 0,
      inline: (flags & INLINE) !== 0,
    };
  }

  /** Index of the extent with byte `offset`. */
  find(offset: number): number {
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#numbers[middle * STRIDE]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #lastWord() {
    return unpacked(this.#numbers.at(-1)!);
  }

  #setLast(physical: number, word: number): void {
    this.#numbers[this.#numbers.length - 2] = physical;
    this.#numbers[this.#numbers.length - 1] = word;
  }
}

function packed(storedBytes: number, format: number, flags: number): number {
  return storedBytes * (FORMATS * FLAGS) + format * FLAGS + flags;
}

function unpacked(word: number) {
  const storedBytes = Math.floor(word / (FORMATS * FLAGS));
  const low = word - storedBytes * (FORMATS * FLAGS);
  return { storedBytes, format: low >> 2, flags: low & 3 };
}
