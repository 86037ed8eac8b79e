import type { Reader } from "../../sources/reader.ts";
import type { PieceDecoder } from "../sequential_reader.ts";
import { StoredInput } from "../stored_input.ts";
import type { XzBlock } from "../pipeline/hints.ts";
import { blockHeaderSize, MAX_DICTIONARY_BYTES, parseBlockHeader } from "./block_header.ts";
import { brokenXz } from "./broken_xz.ts";
import { checkSize, newXzCheck, type XzCheck } from "./check.ts";
import { FilterChain } from "./filter_chain.ts";
import { Lzma2Decoder, type Lzma2Output, MAX_CHUNK_PLAIN_BYTES } from "./lzma2.ts";
import { CHUNK_SLACK_BYTES } from "./lzma_chunk.ts";

/** A block of any size, chunk by chunk, in a window of its dictionary's size and a quarter more. */
export class XzBlockPieces implements PieceDecoder {
  /** The check stands behind the data. */
  readonly checkedBytes = 0;
  readonly #block: XzBlock;
  readonly #input: StoredInput;
  readonly #check: XzCheck;
  #stage: { lzma2: Lzma2Decoder; window: SlidingWindow; filters: FilterChain } | undefined;
  #plainBytes = 0;
  #isFinished = false;

  constructor(source: Reader, block: XzBlock) {
    this.#block = block;
    const { offsetBytes, unpaddedSizeBytes } = block;
    const endBytes = offsetBytes + Math.ceil(unpaddedSizeBytes / 4) * 4;
    this.#input = new StoredInput(source, offsetBytes, endBytes, CHUNK_SLACK_BYTES);
    this.#check = newXzCheck(block.check);
  }

  async next(signal: AbortSignal): Promise<Uint8Array | undefined> {
    this.#stage ??= await this.#begin(signal);
    const { lzma2, window, filters } = this.#stage;
    for (;;) {
      if (lzma2.isEnded) return await this.#end(filters, signal);
      const start = window.endBytes;
      const next = lzma2.step(this.#input.bytes, this.#input.at, this.#input.end);
      if (next === undefined) {
        if (!await this.#input.fill(signal)) throw brokenXz("a block is cut short");
        continue;
      }
      this.#input.at = next;
      const moved = window.takeMoved();
      const piece = filters.push(window.bytes.subarray(start - moved, window.endBytes));
      if (piece.length > 0) return this.#give(piece);
    }
  }

  async #begin(signal: AbortSignal) {
    const input = this.#input;
    if (!await input.has(1, signal)) throw brokenXz("a block is cut short");
    const headerBytes = blockHeaderSize(input.bytes[input.at]!);
    if (!await input.has(headerBytes, signal)) throw brokenXz("a block is cut short");
    const { dictionaryBytes, filters, plainBytes, storedDataBytes } = parseBlockHeader(
      input.bytes.subarray(input.at, input.at + headerBytes),
    );
    const { plainSizeBytes, unpaddedSizeBytes, check } = this.#block;
    const dataBytes = unpaddedSizeBytes - headerBytes - checkSize(check)!;
    if (
      (plainBytes ?? plainSizeBytes) !== plainSizeBytes ||
      (storedDataBytes ?? dataBytes) !== dataBytes
    ) throw brokenXz("a block's header has other sizes than the index");
    const neededBytes = Math.min(dictionaryBytes, plainSizeBytes);
    if (neededBytes > MAX_DICTIONARY_BYTES) {
      throw brokenXz(
        `a block needs a dictionary of ${neededBytes} bytes, more than ${MAX_DICTIONARY_BYTES}`,
        "limit",
      );
    }
    input.at += headerBytes;
    const window = new SlidingWindow(neededBytes);
    const lzma2 = new Lzma2Decoder(window, dictionaryBytes);
    return { lzma2, window, filters: new FilterChain(filters) };
  }

  /** What the filters held back, then the end. */
  async #end(filters: FilterChain, signal: AbortSignal): Promise<Uint8Array | undefined> {
    if (this.#isFinished) return undefined;
    const left = filters.finish();
    if (left.length > 0) return this.#give(left);
    const input = this.#input;
    const { offsetBytes, unpaddedSizeBytes, check, plainSizeBytes } = this.#block;
    const checkBytes = checkSize(check)!;
    if (input.offsetBytes - offsetBytes + checkBytes !== unpaddedSizeBytes) {
      throw brokenXz("a block has another size than in the index");
    }
    const paddingBytes = -(input.offsetBytes - offsetBytes) & 3;
    if (!await input.has(paddingBytes + checkBytes, signal)) throw brokenXz("it is cut short");
    if (input.take(paddingBytes).some((byte) => byte !== 0)) {
      throw brokenXz("a block's padding is not zero");
    }
    if (this.#plainBytes !== plainSizeBytes) {
      throw brokenXz("a block has another size than in the index");
    }
    this.#check.compare(input.take(checkBytes));
    this.#isFinished = true;
    this.#stage = undefined;
    return undefined;
  }

  #give(piece: Uint8Array): Uint8Array {
    this.#check.update(piece);
    this.#plainBytes += piece.length;
    return piece;
  }
}

/** The last bytes of the output; it grows with what was decoded, not with what a header claims. */
class SlidingWindow implements Lzma2Output {
  bytes = new Uint8Array(0);
  endBytes = 0;
  dictionaryStart = 0;
  readonly #dictionaryBytes: number;
  readonly #mostBytes: number;
  #movedBytes = 0;

  constructor(dictionaryBytes: number) {
    this.#dictionaryBytes = dictionaryBytes;
    this.#mostBytes = dictionaryBytes + Math.max(2 * MAX_CHUNK_PLAIN_BYTES, dictionaryBytes / 4);
  }

  reserve(countBytes: number): void {
    const needed = this.endBytes + countBytes;
    if (needed <= this.bytes.length) return;
    if (this.bytes.length < this.#mostBytes && needed <= this.#mostBytes) {
      const wider = new Uint8Array(Math.min(this.#mostBytes, Math.max(needed * 2, 1 << 16)));
      wider.set(this.bytes.subarray(0, this.endBytes));
      this.bytes = wider;
      return;
    }
    const keptBytes = Math.min(this.#dictionaryBytes, this.endBytes);
    const movedBytes = this.endBytes - keptBytes;
    this.bytes.copyWithin(0, movedBytes, this.endBytes);
    this.endBytes = keptBytes;
    this.#movedBytes += movedBytes;
    this.dictionaryStart -= movedBytes;
    // Kept small, and the same modulo 16, which is what literals and positions depend on.
    if (this.dictionaryStart < -(2 ** 30)) this.dictionaryStart += 2 ** 29;
  }

  /** How far the bytes were moved to the front since the last call. */
  takeMoved(): number {
    const movedBytes = this.#movedBytes;
    this.#movedBytes = 0;
    return movedBytes;
  }
}
