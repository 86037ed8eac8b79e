/**
 * All names of a tree in one buffer, in the order of the walk: a directory's names follow each other.
 * One object per name would take several times the memory.
 */
const START_BYTES = 256 * 1024;
const NAME_ROOM_BYTES = 3 * 1024;

const encoder = new TextEncoder();

/** Growing table of directory entries. */
export class Dirents {
  readonly #offsets: number[] = [0];
  readonly #inodes: number[] = [];
  readonly #entryTypes: number[] = [];
  #bytes = new Uint8Array(START_BYTES);

  get count(): number {
    return this.#inodes.length;
  }

  /** Appends an entry and returns the length of its name in bytes. */
  add(name: string, inode: number, entryType: number): number {
    const start = this.#offsets[this.count]!;
    if (this.#bytes.length - start < NAME_ROOM_BYTES) {
      const grown = new Uint8Array(this.#bytes.length * 2);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    const { read, written } = encoder.encodeInto(name, this.#bytes.subarray(start));
    this.#offsets.push(start + written);
    this.#inodes.push(inode);
    this.#entryTypes.push(entryType);
    // A name too long for the room is far beyond every limit; its exact length does not matter.
    return read < name.length ? Infinity : written;
  }

  inode(index: number): number {
    return this.#inodes[index]!;
  }

  entryType(index: number): number {
    return this.#entryTypes[index]!;
  }

  nameLength(index: number): number {
    return this.#offsets[index + 1]! - this.#offsets[index]!;
  }

  /** The name's bytes; a view, not a copy. */
  name(index: number): Uint8Array {
    return this.#bytes.subarray(this.#offsets[index]!, this.#offsets[index + 1]!);
  }

  /** Whether entry `index` comes after the one before it, by unsigned bytes. */
  followsPrevious(index: number): boolean {
    const bytes = this.#bytes;
    const start = this.#offsets[index]!;
    const before = this.#offsets[index - 1]!;
    const shared = Math.min(start - before, this.#offsets[index + 1]! - start);
    for (let i = 0; i < shared; i++) {
      const difference = bytes[start + i]! - bytes[before + i]!;
      if (difference !== 0) return difference > 0;
    }
    return this.#offsets[index + 1]! - start > start - before;
  }

  /** Every name one after the other. */
  get nameBytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#offsets[this.count]!);
  }
}
