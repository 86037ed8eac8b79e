/**
 * The other partitions of the disk that was entered for one of them, read through the same Reader of the disk:
 * what is decoded for one is decoded for all.
 */
import { FastboopError } from "../errors/errors.ts";
import type { Reader, ReadOptions } from "../sources/reader.ts";
import type { Partition } from "./partitions.ts";
import { WindowReader } from "./window_reader.ts";

/** No disk people publish has more, but a table may. */
const MAX_SIBLINGS = 128;

export class Siblings {
  /** In the table's order, without those that are cut off, lie over the entered one or share a beginning. */
  readonly partitions: readonly Partition[];
  readonly #disk: Reader;

  constructor(disk: Reader, entered: Partition, all: readonly Partition[]) {
    this.#disk = disk;
    const begun = new Set<number>();
    this.partitions = all.filter((partition) => {
      const { offsetBytes, sizeBytes } = partition;
      const isInside = sizeBytes > 0 && sizeBytes <= disk.sizeBytes - offsetBytes;
      if (!isInside || overlaps(partition, entered) || begun.has(offsetBytes)) return false;
      begun.add(offsetBytes);
      return true;
    }).slice(0, MAX_SIBLINGS);
  }

  /** The bytes of the one with that index; closing them leaves the disk open. */
  open(index: number): Reader | undefined {
    const partition = this.partitions.find((one) => one.index === index);
    return partition && new SiblingReader(this.#disk, partition);
  }
}

function overlaps(a: Partition, b: Partition): boolean {
  return a.offsetBytes < b.offsetBytes + b.sizeBytes && b.offsetBytes < a.offsetBytes + a.sizeBytes;
}

/** Refuses to be read once it is closed: the disk may be, too. */
class SiblingReader extends WindowReader {
  #isClosed = false;

  constructor(disk: Reader, { offsetBytes, sizeBytes }: Partition) {
    super(disk, { offsetBytes, sizeBytes });
  }

  override async readAt(offsetBytes: number, into: Uint8Array, options?: ReadOptions) {
    if (this.#isClosed) {
      const action = `Read ${this.identity}`;
      throw new FastboopError({ kind: "cancelled", action, state: "it is closed" });
    }
    await super.readAt(offsetBytes, into, options);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await super[Symbol.asyncDispose]();
  }
}
