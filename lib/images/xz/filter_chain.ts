/** Undoes the filters that stand before LZMA2 in a block, piece by piece. */
import type { Undo } from "./branch_filters.ts";

/** One filter of a block header other than LZMA2. */
export type XzFilter =
  | { readonly kind: "delta"; readonly distanceBytes: number }
  | { readonly kind: "branch"; readonly begin: () => Undo; readonly startOffset: number };

/** Pieces in the order of the data in; what is final of them out. */
export class FilterChain {
  readonly #stages: Stage[];

  /** `filters` in the order of the header: the last one is undone first. */
  constructor(filters: readonly XzFilter[]) {
    this.#stages = filters.map((filter) => new Stage(undoOf(filter), startOf(filter))).reverse();
  }

  /** The final bytes so far. Without filters the piece itself, else a copy. */
  push(piece: Uint8Array): Uint8Array {
    return this.#stages.reduce((bytes, stage) => stage.push(bytes), piece);
  }

  /** The final bytes that are left when nothing follows. */
  finish(): Uint8Array {
    let bytes: Uint8Array = new Uint8Array(0);
    for (const stage of this.#stages) bytes = stage.finish(bytes);
    return bytes;
  }

  /** As push() of all and finish(), in place. */
  undoWhole(bytes: Uint8Array): void {
    for (const stage of this.#stages) stage.undoWhole(bytes);
  }
}

class Stage {
  readonly #undo: Undo;
  #position: number;
  /** What was not final: a few bytes. */
  #left: Uint8Array = new Uint8Array(0);

  constructor(undo: Undo, position: number) {
    this.#undo = undo;
    this.#position = position;
  }

  push(piece: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(this.#left.length + piece.length);
    bytes.set(this.#left);
    bytes.set(piece, this.#left.length);
    const finalBytes = this.undoWhole(bytes);
    this.#left = bytes.slice(finalBytes);
    return bytes.subarray(0, finalBytes);
  }

  finish(piece: Uint8Array): Uint8Array {
    const done = this.push(piece);
    const bytes = new Uint8Array(done.length + this.#left.length);
    bytes.set(done);
    bytes.set(this.#left, done.length);
    this.#left = new Uint8Array(0);
    return bytes;
  }

  undoWhole(bytes: Uint8Array): number {
    const finalBytes = this.#undo(bytes, this.#position);
    this.#position = (this.#position + finalBytes) >>> 0;
    return finalBytes;
  }
}

function startOf(filter: XzFilter): number {
  return filter.kind === "branch" ? filter.startOffset : 0;
}

function undoOf(filter: XzFilter): Undo {
  return filter.kind === "branch" ? filter.begin() : beginDelta(filter.distanceBytes);
}

/** Each byte is stored as the difference to the one `distanceBytes` before it. */
function beginDelta(distanceBytes: number): Undo {
  const before = new Uint8Array(distanceBytes);
  let at = 0;
  return (bytes) => {
    for (let i = 0; i < bytes.length; i++) {
      before[at] = bytes[i] = bytes[i]! + before[at]!;
      at = at + 1 === distanceBytes ? 0 : at + 1;
    }
    return bytes.length;
  };
}
