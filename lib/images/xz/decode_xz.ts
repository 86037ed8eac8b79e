/**
 * A whole `.xz` file in memory -> its content. For files too large for that, openXz() reads them in place.
 *
 * ```text
 * file: stream, zeros (a multiple of 4)...       stream: header 12 | block... | index | footer 12
 * block: header | LZMA2 chunks | padding | check
 * ```
 *
 * Filters: LZMA2 alone or behind delta and the branch filters of branch_filters.ts. Checks: none, CRC32,
 * CRC64, SHA-256. Source: "The .xz File Format" 1.2.1 (tukaani.org/xz/xz-file-format.txt).
 */
import { parseBlockHeader } from "./block_header.ts";
import { brokenXz } from "./broken_xz.ts";
import { checkSize, newXzCheck } from "./check.ts";
import { FilterChain } from "./filter_chain.ts";
import { Lzma2Decoder, type Lzma2Output } from "./lzma2.ts";
import { CHUNK_SLACK_BYTES } from "./lzma_chunk.ts";
import {
  FOOTER_BYTES,
  HEADER_BYTES,
  isStreamStart,
  padded,
  parseIndex,
  parseStreamFooter,
  parseStreamHeader,
  type XzRecord,
} from "./stream_ends.ts";
import { XzNumbers } from "./xz_number.ts";

/**
 * Decompresses all streams of an xz file.
 *
 * @throws {FastboopError} `corrupt` when a stream is broken or cut or a check fails, `limit` when the
 * content is larger than `maxOutputBytes`, `unsupported` for other filters and checks.
 */
export function decodeXz(stored: Uint8Array, maxOutputBytes: number): Uint8Array<ArrayBuffer> {
  return new XzFile(stored, maxOutputBytes).decode();
}

class XzFile {
  readonly #bytes: Uint8Array;
  readonly #endBytes: number;
  readonly #out: GrowingOutput;
  #at = 0;

  constructor(stored: Uint8Array, maxOutputBytes: number) {
    this.#endBytes = stored.length;
    this.#bytes = new Uint8Array(stored.length + CHUNK_SLACK_BYTES);
    this.#bytes.set(stored);
    this.#out = new GrowingOutput(maxOutputBytes, stored.length * 6 + 4096);
  }

  decode(): Uint8Array<ArrayBuffer> {
    do this.#stream(); while (this.#at < this.#endBytes);
    return this.#out.bytes.subarray(0, this.#out.endBytes);
  }

  #stream(): void {
    const check = parseStreamHeader(this.#bytes.subarray(this.#at, this.#endBytes));
    this.#at += HEADER_BYTES;
    const records: XzRecord[] = [];
    for (; this.#byte() !== 0;) records.push(this.#block(check));
    this.#index(check, records);
    const start = this.#at;
    while (this.#at < this.#endBytes && this.#bytes[this.#at] === 0) this.#at++;
    if (this.#at < this.#endBytes && !isStreamStart(this.#bytes, this.#at)) {
      throw brokenXz("something else follows the stream");
    }
    if ((this.#at - start) % 4 !== 0) {
      throw brokenXz("the padding behind a stream is no multiple of 4");
    }
  }

  #block(check: number): XzRecord {
    const start = this.#at;
    const header = parseBlockHeader(this.#bytes.subarray(start, this.#endBytes));
    this.#at += header.sizeBytes;
    const outStart = this.#out.endBytes;
    const lzma2 = new Lzma2Decoder(this.#out, header.dictionaryBytes);
    while (!lzma2.isEnded) {
      const next = lzma2.step(this.#bytes, this.#at, this.#endBytes);
      if (next === undefined) throw brokenXz("it is cut short");
      this.#at = next;
    }
    const dataBytes = this.#at - start - header.sizeBytes;
    const checkBytes = checkSize(check)!;
    const unpaddedSizeBytes = this.#at - start + checkBytes;
    const data = new XzNumbers(this.#bytes, this.#at, start + padded(this.#at - start));
    if (data.end + checkBytes > this.#endBytes) throw brokenXz("it is cut short");
    data.padding("a block's padding");
    const content = this.#out.bytes.subarray(outStart, this.#out.endBytes);
    if (
      (header.storedDataBytes ?? dataBytes) !== dataBytes ||
      (header.plainBytes ?? content.length) !== content.length
    ) throw brokenXz("a block's header has other sizes than the block");
    new FilterChain(header.filters).undoWhole(content);
    const sum = newXzCheck(check);
    sum.update(content);
    sum.compare(this.#bytes.subarray(data.end, data.end + checkBytes));
    this.#at = data.end + checkBytes;
    return { unpaddedSizeBytes, plainSizeBytes: content.length };
  }

  #index(check: number, records: readonly XzRecord[]): void {
    const start = this.#at;
    const numbers = new XzNumbers(this.#bytes, start + 1, this.#endBytes);
    for (let left = 1 + 2 * numbers.next(); left > 1; left--) numbers.next();
    const end = start + padded(numbers.at - start) + 4;
    if (end + FOOTER_BYTES > this.#endBytes) throw brokenXz("it is cut short");
    const found = parseIndex(this.#bytes.subarray(start, end), records.length, records.length);
    const isSame = found.length === records.length &&
      found.every((record, i) =>
        record.unpaddedSizeBytes === records[i]!.unpaddedSizeBytes &&
        record.plainSizeBytes === records[i]!.plainSizeBytes
      );
    if (!isSame) throw brokenXz("the index has other sizes than the blocks");
    const footer = parseStreamFooter(this.#bytes.subarray(end, end + FOOTER_BYTES));
    if (footer.check !== check || footer.indexBytes !== end - start) {
      throw brokenXz("the footer does not fit the stream");
    }
    this.#at = end + FOOTER_BYTES;
  }

  #byte(): number {
    if (this.#at >= this.#endBytes) throw brokenXz("it is cut short");
    return this.#bytes[this.#at]!;
  }
}

/** All of the content; blocks look back in it as far as their own start. */
class GrowingOutput implements Lzma2Output {
  bytes: Uint8Array<ArrayBuffer>;
  endBytes = 0;
  dictionaryStart = 0;

  /** Grows beyond `firstBytes`: what an index claims is not believed before it is read. */
  constructor(readonly maxBytes: number, firstBytes: number) {
    this.bytes = new Uint8Array(Math.min(maxBytes, firstBytes));
  }

  reserve(countBytes: number): void {
    const needed = this.endBytes + countBytes;
    if (needed > this.maxBytes) {
      throw brokenXz(`it holds more than ${this.maxBytes} bytes`, "limit");
    }
    if (needed <= this.bytes.length) return;
    const wider = new Uint8Array(Math.min(this.maxBytes, Math.max(needed, needed * 2)));
    wider.set(this.bytes.subarray(0, this.endBytes));
    this.bytes = wider;
  }
}
