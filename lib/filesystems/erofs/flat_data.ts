import { checkBounds } from "../../sources/bounds.ts";
import type { Reader, ReadOptions } from "../../sources/reader.ts";
import { ImagePages } from "../image_pages.ts";

/**
 * Data that lies in one piece, its last part perhaps elsewhere, or is one hole: EROFS' flat layouts.
 *
 * The spaces are bounded by whoever makes one; they belong to the tree and are not disposed.
 */
export class FlatData implements Reader {
  readonly sizeBytes: number;
  readonly #name: () => string;
  readonly #pieces: readonly Piece[];

  /** `pieces` follow each other; the name is made when it is asked for, which for most files is never. */
  constructor(name: () => string, pieces: readonly Piece[]) {
    this.#name = name;
    this.#pieces = pieces;
    this.sizeBytes = pieces.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  }

  get identity(): string {
    return this.#name();
  }

  async readAt(offsetBytes: number, into: Uint8Array, options?: ReadOptions): Promise<void> {
    checkBounds(this, offsetBytes, into.length);
    const end = offsetBytes + into.length;
    let start = 0;
    for (const { space, offset, lengthBytes } of this.#pieces) {
      const from = Math.max(offsetBytes, start);
      const to = Math.min(end, start + lengthBytes);
      if (from < to) {
        const part = into.subarray(from - offsetBytes, to - offsetBytes);
        const held = space instanceof ImagePages
          ? space.peek(offset + from - start, part.length)
          : undefined;
        if (held !== undefined) part.set(held);
        else if (space === undefined) part.fill(0);
        else await space.readAt(offset + from - start, part, options);
      }
      start += lengthBytes;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Bytes of another reader, or zeros. */
interface Piece {
  readonly space: Reader | undefined;
  readonly offset: number;
  readonly lengthBytes: number;
}
