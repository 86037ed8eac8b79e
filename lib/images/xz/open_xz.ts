/**
 * An xz file as a Reader of its content, with random access by blocks.
 *
 * Blocks up to 64 MiB are decoded whole, each once for all who wait, and each is compared with its check
 * before a byte of it is given. Larger ones, such as the one block of `xz -T1`, go through SequentialReader:
 * what that promises about checks holds.
 */
import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import { BlockReader, MAX_WHOLE_BLOCK_BYTES } from "../block_reader.ts";
import type { ContainerOptions, DecodeXz } from "../container.ts";
import type { XzBlock, XzBlockTable } from "../pipeline/hints.ts";
import { XzBlockPieces } from "./block_pieces.ts";
import { brokenXz } from "./broken_xz.ts";
import { checkSize } from "./check.ts";
import { decodeXz } from "./decode_xz.ts";
import { readXzBlockTable } from "./read_xz_block_table.ts";
import {
  encodeStreamAround,
  FOOTER_BYTES,
  HEADER_BYTES,
  indexSize,
  padded,
  parseStreamHeader,
} from "./stream_ends.ts";

export interface OpenXzOptions extends ContainerOptions {
  /** Dropped when it does not fit the file. */
  table?: XzBlockTable;
  /** Content above that is refused. Default 64 GiB. */
  maxOutputBytes?: number;
}

/**
 * Opens an xz file of any number of streams.
 *
 * @throws {FastboopError} `corrupt`, `unsupported`, `limit` above `maxOutputBytes`; what reading throws.
 */
export async function openXz(source: Reader, options: OpenXzOptions = {}): Promise<Reader> {
  const given = options.signal ? { signal: options.signal } : {};
  const table = await fittingTable(source, options) ?? await readXzBlockTable(source, given);
  const maxOutputBytes = options.maxOutputBytes ?? 64 * 2 ** 30;
  const plainSizes = table.blocks.map(({ plainSizeBytes }) => plainSizeBytes);
  const plainBytes = plainSizes.reduce((sum, sizeBytes) => sum + sizeBytes, 0);
  if (plainBytes > maxOutputBytes) {
    throw brokenXz(`it holds ${plainBytes} bytes, more than ${maxOutputBytes}`, "limit");
  }
  const decode: DecodeXz = options.decodeXz ??
    ((stored, limitBytes) => Promise.resolve(decodeXz(stored, limitBytes)));
  return new BlockReader({
    identity: `xz:(${source.identity})`,
    source,
    plainSizes,
    load: async (index, signal) => {
      const block = table.blocks[index]!;
      const stored = await readAsStream(source, block, signal);
      signal.throwIfAborted();
      return await decodeBlock(decode, stored, block);
    },
    isLarge: (index) => isLarge(table.blocks[index]!),
    beginLarge: (index) => new XzBlockPieces(source, table.blocks[index]!),
    cacheBytes: options.cacheBytes,
    spill: options.spill,
    readsAhead: options.decodeXz !== undefined,
  });
}

/** Too large for memory when decoded, or, as no encoder writes it, when stored. */
function isLarge({ plainSizeBytes, unpaddedSizeBytes }: XzBlock): boolean {
  return Math.max(plainSizeBytes, unpaddedSizeBytes - (1 << 20)) > MAX_WHOLE_BLOCK_BYTES;
}

/** More than the index says is no limit of ours. */
async function decodeBlock(
  decode: DecodeXz,
  stored: Uint8Array,
  { plainSizeBytes }: XzBlock,
): Promise<Uint8Array> {
  try {
    const plain = await decode(stored, plainSizeBytes);
    if (plain.length === plainSizeBytes) return plain;
  } catch (error) {
    if (!(error instanceof FastboopError) || error.kind !== "limit") throw error;
  }
  throw brokenXz("a block has another size than in the index");
}

/** One block as a whole xz stream, which every decoder can check. */
async function readAsStream(
  source: Reader,
  block: XzBlock,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const blockBytes = padded(block.unpaddedSizeBytes);
  const { header, tail } = encodeStreamAround(block.check, block);
  const stored = new Uint8Array(HEADER_BYTES + blockBytes + tail.length);
  stored.set(header);
  stored.set(tail, HEADER_BYTES + blockBytes);
  const into = stored.subarray(HEADER_BYTES, HEADER_BYTES + blockBytes);
  await source.readAt(block.offsetBytes, into, { signal });
  return stored;
}

/**
 * The given table, where it accounts for every byte of the file: blocks side by side, and between them and
 * behind them nothing but the index, footer and header that they must have. Padding sends one to the scan.
 */
async function fittingTable(
  source: Reader,
  { table, signal }: OpenXzOptions,
): Promise<XzBlockTable | undefined> {
  if (!table || table.storedSizeBytes !== source.sizeBytes || table.blocks.length === 0) {
    return undefined;
  }
  let at = HEADER_BYTES;
  let stream: XzBlock[] = [];
  for (const block of table.blocks) {
    const { offsetBytes, unpaddedSizeBytes, plainSizeBytes, check } = block;
    const isBlock = [offsetBytes, unpaddedSizeBytes, plainSizeBytes].every((value) =>
      Number.isSafeInteger(value) && value >= 0
    ) && checkSize(check) !== undefined && unpaddedSizeBytes >= 5;
    if (!isBlock) {
      return undefined;
    }
    if (offsetBytes !== at) {
      at += indexSize(stream) + FOOTER_BYTES + HEADER_BYTES;
      stream = [];
    }
    if (offsetBytes !== at || check !== (stream[0]?.check ?? check)) {
      return undefined;
    }
    stream.push(block);
    at += padded(unpaddedSizeBytes);
  }
  if (at + indexSize(stream) + FOOTER_BYTES !== source.sizeBytes) return undefined;
  const first = new Uint8Array(HEADER_BYTES);
  await source.readAt(0, first, signal ? { signal } : {});
  try {
    const isSame = parseStreamHeader(first) === table.blocks[0]!.check;
    return isSame ? table : undefined;
  } catch (error) {
    if (error instanceof FastboopError) return undefined;
    throw error;
  }
}
