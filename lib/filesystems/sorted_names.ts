/**
 * Names of a directory that lie sorted in the image, and the inode of each: half the memory of a Map,
 * and a listing need not sort them.
 */
export class SortedNames {
  /** ASCII names in ascending order, each once. */
  readonly names: readonly string[];
  /** The inode of each name. */
  readonly refs: readonly number[];

  constructor(names: readonly string[], refs: readonly number[]) {
    this.names = names;
    this.refs = refs;
  }

  get size(): number {
    return this.names.length;
  }

  get(name: string): number | undefined {
    let low = 0;
    let high = this.names.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.names[middle]! < name) low = middle + 1;
      else high = middle;
    }
    return this.names[low] === name ? this.refs[low] : undefined;
  }
}
