/**
 * The chunks of one LZMA2 stream, decoded one at a time, for whoever has all of them in memory and for who
 * reads them piece by piece.
 *
 * ```text
 * control | 0 end | 1, 2 raw: size BE16 + 1 | 0x80.. LZMA: plain size BE16 + 1, chunk size BE16 + 1, properties
 * ```
 *
 * Source: the LZMA2 chunk headers of linux/lib/xz/xz_dec_lzma2.c.
 */
import { brokenXz } from "./broken_xz.ts";
import { CHUNK_START_BYTES, decodeLzmaChunk } from "./lzma_chunk.ts";
import { type LzmaState, newLzmaState, resetLzmaState, setLzmaProperties } from "./lzma_state.ts";

/** Where the plain bytes go; matches look back in it. */
export interface Lzma2Output {
  bytes: Uint8Array;
  /** Plain bytes in it. */
  endBytes: number;
  /** Position of the last dictionary reset in `bytes`, negative when it has been moved out. */
  dictionaryStart: number;
  /** Makes room for so many more, with as much of what was before as the dictionary holds. */
  reserve(countBytes: number): void;
}

/** Most plain bytes from one chunk. */
export const MAX_CHUNK_PLAIN_BYTES = 1 << 21;

/** Reused from stream to stream: it is larger than most modules. */
let spareState: LzmaState | undefined;

export class Lzma2Decoder {
  readonly #output: Lzma2Output;
  readonly #dictionaryBytes: number;
  readonly #lzma = spareState ?? newLzmaState();
  #needsDictionary = true;
  #needsProperties = true;
  #isEnded = false;

  constructor(output: Lzma2Output, dictionaryBytes: number) {
    spareState = undefined;
    this.#output = output;
    this.#dictionaryBytes = dictionaryBytes;
  }

  /** The end marker was seen. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /**
   * Decodes the chunk at `at`; the result is where it ends, or undefined when it is not all there yet.
   * Behind `end` CHUNK_SLACK_BYTES more must be readable.
   *
   * @throws {FastboopError} `corrupt`; what the output's reserve() throws.
   */
  step(input: Uint8Array, at: number, end: number): number | undefined {
    if (at >= end) return undefined;
    const control = input[at]!;
    if (control === 0) {
      this.#isEnded = true;
      spareState = this.#lzma;
      return at + 1;
    }
    if (control > 2 && control < 0x80) throw brokenXz(`a chunk begins with ${control}`);
    const headerBytes = control < 0x80 ? 3 : control < 0xc0 ? 5 : 6;
    if (at + headerBytes > end) return undefined;
    const sizeAt = at + (control < 0x80 ? 1 : 3);
    const chunkBytes = (input[sizeAt]! << 8 | input[sizeAt + 1]!) + 1;
    const start = at + headerBytes;
    if (start + chunkBytes > end) return undefined;
    if (control >= 0xe0 || control === 1) {
      this.#output.dictionaryStart = this.#output.endBytes;
      this.#needsDictionary = false;
      this.#needsProperties = true;
    } else if (this.#needsDictionary) {
      throw brokenXz("its first chunk keeps a dictionary that is not there");
    }
    if (control < 0x80) this.#raw(input.subarray(start, start + chunkBytes));
    else {
      const plainBytes = ((control & 0x1f) << 16) + (input[at + 1]! << 8 | input[at + 2]!) + 1;
      this.#reset(control, input[at + 5]!);
      this.#compressed(input, start, start + chunkBytes, plainBytes);
    }
    return start + chunkBytes;
  }

  #raw(bytes: Uint8Array): void {
    this.#output.reserve(bytes.length);
    this.#output.bytes.set(bytes, this.#output.endBytes);
    this.#output.endBytes += bytes.length;
  }

  #reset(control: number, properties: number): void {
    if (control >= 0xc0) {
      if (!setLzmaProperties(this.#lzma, properties)) {
        throw brokenXz(`the properties are ${properties}`);
      }
      this.#needsProperties = false;
    } else if (this.#needsProperties) {
      throw brokenXz("a dictionary's first chunk has no properties");
    }
    if (control >= 0xa0) resetLzmaState(this.#lzma);
  }

  #compressed(input: Uint8Array, start: number, end: number, plainBytes: number): void {
    this.#output.reserve(plainBytes);
    const { bytes, endBytes, dictionaryStart } = this.#output;
    const outEnd = endBytes + plainBytes;
    const isWhole = end - start >= CHUNK_START_BYTES && input[start] === 0 &&
      decodeLzmaChunk(
        ...[this.#lzma, input, start, end, bytes, endBytes, outEnd] as const,
        ...[dictionaryStart, this.#dictionaryBytes] as const,
      );
    if (!isWhole) throw brokenXz("the compressed data is broken");
    this.#output.endBytes = outEnd;
  }
}
