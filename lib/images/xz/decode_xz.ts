/**
 * A whole `.xz` file in memory -> its content. For files too large for that, read the stream.
 *
 * ```text
 * stream: header 12 | block... | index | footer 12          block: header | LZMA2 chunks | padding | check
 * ```
 *
 * Of the filters LZMA2 alone is read, which is what xz writes unless told otherwise; of the checks CRC32 and
 * CRC64 are compared, SHA-256 is refused. One stream only, with its padding. Source: "The .xz File Format"
 * 1.2.1 (tukaani.org/xz/xz-file-format.txt), and the LZMA2 chunk headers of linux/lib/xz/xz_dec_lzma2.c.
 */
import { crc32 } from "node:zlib";
import { FastboopError } from "../../errors/errors.ts";
import { crc64 } from "./crc64.ts";
import { CHUNK_SLACK_BYTES, decodeLzmaChunk } from "./lzma_chunk.ts";
import { type LzmaState, newLzmaState, resetLzmaState } from "./lzma_state.ts";

const HEADER_BYTES = 12;
const FOOTER_BYTES = 12;
const MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
const LZMA2 = 0x21;
/** Check by its number in the stream flags: bytes of it. */
const CHECK_BYTES: Record<number, number> = { 0: 0, 1: 4, 4: 8 };

/**
 * Decompresses one xz stream.
 *
 * @throws {FastboopError} `corrupt` when the stream is broken or cut or a check fails, `limit` when its
 * content is larger than `maxOutputBytes`, `unsupported` for other filters and checks.
 */
export function decodeXz(stored: Uint8Array, maxOutputBytes: number): Uint8Array<ArrayBuffer> {
  return new XzStream(stored, maxOutputBytes).decode();
}

/** Reused from stream to stream: it is larger than most modules. */
let spareState: LzmaState | undefined;

class XzStream {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #sizeBytes: number;
  readonly #lzma = spareState ?? newLzmaState();
  #out: Uint8Array<ArrayBuffer>;
  #outBytes = 0;
  #at = HEADER_BYTES;
  /** Unpadded and uncompressed size of each block, which the index must repeat. */
  readonly #blocks: [number, number][] = [];

  constructor(stored: Uint8Array, readonly maxOutputBytes: number) {
    this.#sizeBytes = stored.length;
    this.#bytes = new Uint8Array(stored.length + CHUNK_SLACK_BYTES);
    this.#bytes.set(stored);
    this.#view = new DataView(this.#bytes.buffer);
    // Grows when that was too little; what the index claims is not believed before it is read.
    this.#out = new Uint8Array(Math.min(maxOutputBytes, stored.length * 6 + 4096));
  }

  decode(): Uint8Array<ArrayBuffer> {
    spareState = undefined;
    const check = this.#header();
    while (this.#byte() !== 0) this.#block(check);
    this.#index();
    spareState = this.#lzma;
    return this.#out.subarray(0, this.#outBytes);
  }

  #header(): number {
    if (
      this.#sizeBytes < HEADER_BYTES + FOOTER_BYTES || MAGIC.some((b, i) => this.#bytes[i] !== b)
    ) {
      fail("it is no xz stream");
    }
    this.#compareCrc32(6, 2, 8);
    const check = this.#bytes[7]!;
    if (this.#bytes[6] !== 0 || !(check in CHECK_BYTES)) {
      fail(`it has check ${check}`, "unsupported");
    }
    return check;
  }

  #block(check: number): void {
    const start = this.#at;
    const headerBytes = (this.#byte() + 1) * 4;
    this.#need(headerBytes);
    this.#compareCrc32(start, headerBytes - 4, start + headerBytes - 4);
    const dictionaryBytes = this.#blockHeader(start);
    this.#at = start + headerBytes;
    const outStart = this.#outBytes;
    this.#chunks(dictionaryBytes);
    const unpaddedBytes = this.#at - start + CHECK_BYTES[check]!;
    while ((this.#at & 3) !== 0) if (this.#take() !== 0) fail("a block's padding is not zero");
    this.#need(CHECK_BYTES[check]!);
    const content = this.#out.subarray(outStart, this.#outBytes);
    if (check === 1 && crc32(content) !== this.#view.getUint32(this.#at, true)) fail(MISMATCH);
    if (check === 4 && crc64(content) !== this.#view.getBigUint64(this.#at, true)) fail(MISMATCH);
    this.#at += CHECK_BYTES[check]!;
    this.#blocks.push([unpaddedBytes, content.length]);
  }

  /** Size of the dictionary; the sizes a header may give are those of the index again. */
  #blockHeader(start: number): number {
    const flags = this.#bytes[start + 1]!;
    this.#at = start + 2;
    if ((flags & 0x40) !== 0) this.#number();
    if ((flags & 0x80) !== 0) this.#number();
    if ((flags & 0x3f) !== 0 || this.#number() !== LZMA2) fail(FILTERS, "unsupported");
    if (this.#number() !== 1) fail("the properties of LZMA2 have another size");
    const bits = this.#take();
    if (bits > 40) fail(`its dictionary has code ${bits}`);
    return bits === 40 ? 2 ** 32 - 1 : (2 | (bits & 1)) * 2 ** ((bits >> 1) + 11);
  }

  #chunks(dictionaryBytes: number): void {
    let dictionaryStart = this.#outBytes;
    let needsDictionary = true;
    let needsProperties = true;
    for (let control = this.#take(); control !== 0; control = this.#take()) {
      if (control >= 0xe0 || control === 1) {
        dictionaryStart = this.#outBytes;
        needsDictionary = false;
      } else if (needsDictionary) fail("its first chunk keeps a dictionary that is not there");
      if (control >= 0x80) {
        this.#need(5);
        const plainBytes = ((control & 0x1f) << 16) + this.#view.getUint16(this.#at) + 1;
        const chunkBytes = this.#view.getUint16(this.#at + 2) + 1;
        this.#at += 4;
        if (control >= 0xc0) {
          this.#properties(this.#take());
          needsProperties = false;
        } else if (needsProperties) fail("its first chunk has no properties");
        if (control >= 0xa0) resetLzmaState(this.#lzma);
        this.#lzmaChunk(chunkBytes, plainBytes, dictionaryStart, dictionaryBytes);
      } else if (control <= 2) {
        this.#need(2);
        const plainBytes = this.#view.getUint16(this.#at) + 1;
        this.#at += 2;
        this.#need(plainBytes);
        this.#reserve(plainBytes);
        this.#out.set(this.#bytes.subarray(this.#at, this.#at + plainBytes), this.#outBytes);
        this.#at += plainBytes;
        this.#outBytes += plainBytes;
      } else fail(`a chunk begins with ${control}`);
    }
  }

  #properties(byte: number): void {
    const lc = byte % 9;
    const lp = Math.floor(byte / 9) % 5;
    const pb = Math.floor(byte / 45);
    if (byte > 224 || lc + lp > 4) fail(`the properties are ${byte}`);
    this.#lzma.literalContextBits = lc;
    this.#lzma.literalPositionMask = (1 << lp) - 1;
    this.#lzma.positionMask = (1 << pb) - 1;
  }

  #lzmaChunk(chunkBytes: number, plainBytes: number, start: number, dictionary: number): void {
    this.#need(chunkBytes);
    this.#reserve(plainBytes);
    const inEnd = this.#at + chunkBytes;
    const outEnd = this.#outBytes + plainBytes;
    const [bytes, out, from] = [this.#bytes, this.#out, this.#outBytes];
    const isWhole = chunkBytes >= 5 &&
      decodeLzmaChunk(this.#lzma, bytes, this.#at, inEnd, out, from, outEnd, start, dictionary);
    if (!isWhole) fail("the compressed data is broken");
    this.#at = inEnd;
    this.#outBytes = outEnd;
  }

  #index(): void {
    const start = this.#at;
    this.#at++;
    if (this.#number() !== this.#blocks.length) fail("the index has another number of blocks");
    for (const [unpaddedBytes, plainBytes] of this.#blocks) {
      if (this.#number() !== unpaddedBytes || this.#number() !== plainBytes) {
        fail("the index has other sizes than the blocks");
      }
    }
    while ((this.#at & 3) !== 0) if (this.#take() !== 0) fail("the index's padding is not zero");
    this.#need(4 + FOOTER_BYTES);
    this.#compareCrc32(start, this.#at - start, this.#at);
    const footer = this.#at + 4;
    this.#compareCrc32(footer + 4, 6, footer);
    const indexBytes = (this.#view.getUint32(footer + 4, true) + 1) * 4;
    const isFooter = indexBytes === footer - start && this.#bytes[footer + 8] === 0 &&
      this.#bytes[footer + 9] === this.#bytes[7] && this.#view.getUint16(footer + 10) === 0x595a;
    if (!isFooter) fail("the footer does not fit the stream");
    for (this.#at = footer + FOOTER_BYTES; this.#at < this.#sizeBytes;) {
      if (this.#take() !== 0) fail("something follows the stream", "unsupported");
    }
  }

  #compareCrc32(start: number, countBytes: number, crcAt: number): void {
    const actual = crc32(this.#bytes.subarray(start, start + countBytes));
    if (actual !== this.#view.getUint32(crcAt, true)) fail(MISMATCH);
  }

  #reserve(countBytes: number): void {
    const needed = this.#outBytes + countBytes;
    if (needed > this.maxOutputBytes) {
      fail(`it holds more than ${this.maxOutputBytes} bytes`, "limit");
    }
    if (needed <= this.#out.length) return;
    const wider = new Uint8Array(Math.min(this.maxOutputBytes, Math.max(needed, needed * 2)));
    wider.set(this.#out.subarray(0, this.#outBytes));
    this.#out = wider;
  }

  /** A number of 7 bits per byte, low ones first; at most 2^53. */
  #number(): number {
    let value = 0;
    for (let shift = 0; shift < 53; shift += 7) {
      const byte = this.#take();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return fail("a number in it is too large");
  }

  #take(): number {
    const byte = this.#byte();
    this.#at++;
    return byte;
  }

  #byte(): number {
    this.#need(1);
    return this.#bytes[this.#at]!;
  }

  #need(countBytes: number): void {
    if (this.#at + countBytes > this.#sizeBytes) fail("it is cut short");
  }
}

const MISMATCH = "a checksum does not match";
const FILTERS = "it was made with other filters than LZMA2";

function fail(state: string, kind: "corrupt" | "limit" | "unsupported" = "corrupt"): never {
  throw new FastboopError({ kind, action: "Decompress xz", state });
}
