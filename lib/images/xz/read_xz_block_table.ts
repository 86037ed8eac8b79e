/**
 * The blocks of all streams of an xz file, from the indexes at the streams' ends: backwards from the end of
 * the file, since a stream's length stands in its footer and index alone.
 */
import { cancelled } from "../../errors/errors.ts";
import type { Reader, ReadOptions } from "../../sources/reader.ts";
import type { XzBlock, XzBlockTable } from "../pipeline/hints.ts";
import { brokenXz } from "./broken_xz.ts";
import {
  FOOTER_BYTES,
  HEADER_BYTES,
  MIN_BLOCK_BYTES,
  padded,
  parseIndex,
  parseStreamFooter,
  parseStreamHeader,
} from "./stream_ends.ts";

/** One request for the end of most files. */
const TAIL_BYTES = 64 << 10;
/** Of all indexes together; a table is kept in memory. */
const MAX_BLOCKS = 1 << 20;
const MAX_INDEX_BYTES = 32 << 20;
/** Streams and the padding between them say nothing: more of them than that is no image. */
const MAX_STREAMS = 1 << 16;
const MAX_PADDING_BYTES = 4 << 20;

/**
 * Reads the table of an xz file.
 *
 * Every index is checked by its CRC32, every stream's size against where the one before it ends, the first
 * one against the start of the file. The blocks themselves are not looked at.
 *
 * @throws {FastboopError} `corrupt`, `limit` for more than 2^20 blocks, `unsupported`, what reading throws.
 */
export async function readXzBlockTable(
  source: Reader,
  options: ReadOptions = {},
): Promise<XzBlockTable> {
  const tail = new Tail(source, options);
  const streams: XzBlock[][] = [];
  let left = { blocks: MAX_BLOCKS, indexBytes: MAX_INDEX_BYTES, paddingBytes: MAX_PADDING_BYTES };
  for (let end = source.sizeBytes; end > 0 || streams.length === 0;) {
    const footerEnd = await skipPadding(tail, end, left.paddingBytes);
    if (streams.length === 0 && footerEnd === 0) throw brokenXz("it is no xz file");
    if (footerEnd === 0) throw brokenXz("something else stands before the first stream");
    const stream = await readStream(tail, footerEnd, left);
    streams.push(stream.blocks);
    left = {
      blocks: left.blocks - stream.blocks.length,
      indexBytes: left.indexBytes - stream.indexBytes,
      paddingBytes: left.paddingBytes - (end - footerEnd),
    };
    if (streams.length > MAX_STREAMS) {
      throw brokenXz(`it has more than ${MAX_STREAMS} streams`, "limit");
    }
    end = stream.startBytes;
  }
  const blocks = streams.reverse().flat();
  return { kind: "xz-blocks", storedSizeBytes: source.sizeBytes, blocks };
}

/** Zeros in fours stand between streams. */
async function skipPadding(tail: Tail, end: number, mostBytes: number): Promise<number> {
  let at = end;
  while (at >= 4 && (await tail.read(at - 4, 4)).every((byte) => byte === 0)) {
    at -= 4;
    if (end - at > mostBytes) throw brokenXz("it is mostly padding", "limit");
  }
  if (at > 0 && at < HEADER_BYTES + FOOTER_BYTES) throw brokenXz("it is cut short");
  return at;
}

async function readStream(
  tail: Tail,
  end: number,
  left: { blocks: number; indexBytes: number },
): Promise<{ startBytes: number; blocks: XzBlock[]; indexBytes: number }> {
  const footer = parseStreamFooter(await tail.read(end - FOOTER_BYTES, FOOTER_BYTES));
  const { check, indexBytes } = footer;
  const indexStart = end - FOOTER_BYTES - indexBytes;
  if (indexStart < HEADER_BYTES) throw brokenXz("the index is larger than the file");
  if (indexBytes > left.indexBytes) {
    throw brokenXz(`its indexes are larger than ${MAX_INDEX_BYTES} bytes`, "limit");
  }
  const mostBlocks = Math.floor((indexStart - HEADER_BYTES) / MIN_BLOCK_BYTES);
  const index = await tail.read(indexStart, indexBytes);
  const records = parseIndex(index, mostBlocks, left.blocks);
  // Padding may hide no byte: the sum of all blocks leads to the header of the stream.
  let dataBytes = 0;
  for (const { unpaddedSizeBytes } of records) {
    if (unpaddedSizeBytes < 5) throw brokenXz("a block in the index is too small");
    dataBytes += padded(unpaddedSizeBytes);
  }
  const startBytes = indexStart - dataBytes - HEADER_BYTES;
  if (startBytes < 0) throw brokenXz("the blocks of the index are larger than the file");
  if (parseStreamHeader(await tail.read(startBytes, HEADER_BYTES)) !== check) {
    throw brokenXz("a stream's footer has another check than its header");
  }
  let offsetBytes = startBytes + HEADER_BYTES;
  const blocks = records.map((record): XzBlock => {
    const block = { offsetBytes, ...record, check };
    offsetBytes += padded(record.unpaddedSizeBytes);
    return block;
  });
  return { startBytes, blocks, indexBytes };
}

/** What was read last, from which most further pieces come. */
class Tail {
  #startBytes: number;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(readonly source: Reader, readonly options: ReadOptions) {
    this.#startBytes = source.sizeBytes;
  }

  async read(offsetBytes: number, lengthBytes: number): Promise<Uint8Array> {
    const { signal } = this.options;
    if (signal?.aborted) throw cancelled(`Read ${this.source.identity}`, signal);
    const end = offsetBytes + lengthBytes;
    const isThere = offsetBytes >= this.#startBytes && end <= this.#startBytes + this.#bytes.length;
    if (!isThere) await this.#load(offsetBytes, end);
    const start = offsetBytes - this.#startBytes;
    return this.#bytes.subarray(start, start + lengthBytes);
  }

  async #load(offsetBytes: number, end: number): Promise<void> {
    const start = Math.max(0, Math.min(offsetBytes, end - TAIL_BYTES));
    const bytes = new Uint8Array(end - start);
    await this.source.readAt(start, bytes, this.options);
    this.#startBytes = start;
    this.#bytes = bytes;
  }
}
