/** A module without its debug information, made as it is read: most of it comes straight from the file. */
import { cancelled } from "../../errors/errors.ts";
import { checkBounds } from "../../sources/bounds.ts";
import type { Reader, ReadOptions } from "../../sources/reader.ts";
import { renumberSymbols, type StripPiece, type StripPlan, SYMBOL_BYTES } from "./strip_plan.ts";

export class StrippedReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #source: Reader;
  readonly #plan: StripPlan;

  /** Takes over `source`, of whose headers `plan` was made. */
  constructor(source: Reader, plan: StripPlan) {
    this.#source = source;
    this.#plan = plan;
    this.sizeBytes = plan.sizeBytes;
    this.identity = `${source.identity}&stripped=${plan.sizeBytes}`;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    if (options.signal?.aborted) throw cancelled(`Read ${this.identity}`, options.signal);
    checkBounds(this, offsetBytes, into.length);
    const endBytes = offsetBytes + into.length;
    let doneBytes = offsetBytes;
    for (const piece of this.#plan.pieces) {
      const start = Math.max(offsetBytes, piece.offsetBytes);
      const end = Math.min(endBytes, piece.offsetBytes + piece.sizeBytes);
      if (start >= end) continue;
      into.fill(0, doneBytes - offsetBytes, start - offsetBytes);
      const part = into.subarray(start - offsetBytes, end - offsetBytes);
      await this.#readPiece(piece, start - piece.offsetBytes, part, options);
      doneBytes = end;
    }
    into.fill(0, doneBytes - offsetBytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source[Symbol.asyncDispose]();
  }

  async #readPiece(
    piece: StripPiece,
    skipBytes: number,
    into: Uint8Array,
    options: ReadOptions,
  ): Promise<void> {
    if (piece.bytes !== undefined) {
      into.set(piece.bytes.subarray(skipBytes, skipBytes + into.length));
      return;
    }
    if (piece.from === "source") {
      await this.#source.readAt(piece.sourceBytes + skipBytes, into, options);
      return;
    }
    // Symbols are renumbered whole, wherever the read begins and ends.
    const first = Math.floor(skipBytes / SYMBOL_BYTES) * SYMBOL_BYTES;
    const last = Math.ceil((skipBytes + into.length) / SYMBOL_BYTES) * SYMBOL_BYTES;
    const symbols = new Uint8Array(last - first);
    await this.#source.readAt(piece.sourceBytes + first, symbols, options);
    renumberSymbols(symbols, this.#plan.numbers);
    into.set(symbols.subarray(skipBytes - first, skipBytes - first + into.length));
  }
}
