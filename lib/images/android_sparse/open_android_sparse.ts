/**
 * An Android sparse image as the image it stands for.
 *
 * All chunk headers are read at opening, or taken from a hint; a read then finds its chunks by binary search.
 * Blocks nobody cares about read as zeros. Source: pipeline.md 2.6, system/core/libsparse of AOSP. Not read:
 * sets of split files, chunk types of other makers.
 */
import { crc32 } from "node:zlib";
import { cancelled } from "../../errors/errors.ts";
import type { Reader, ReadOptions } from "../../sources/reader.ts";
import type { ContainerOptions } from "../container.ts";
import { ExtentMap, ExtentReader } from "../extent_reader.ts";
import type { AndroidSparseIndex, SparseChunk } from "../pipeline/hints.ts";
import { fittingIndex } from "./fitting_index.ts";
import { readSparseHeader, scanSparse, word } from "./scan_sparse.ts";
import { broken, CHUNK } from "./sparse_format.ts";

const VERIFY_BYTES = 1 << 20;

/** CRC-32 the output must have up to a byte. */
interface Checksum {
  readonly endBytes: number;
  readonly crc32: number;
}

/** A sparse image that can be asked whether its checksums hold. */
export interface AndroidSparseReader extends Reader {
  /**
   * Reads everything once and compares all CRC-32 chunks and the header's checksum; reads compare none,
   * since each covers all of the output before it. Gives how many there were.
   *
   * @throws {FastboopError} `corrupt` when one differs.
   */
  verify(options?: ReadOptions): Promise<number>;
}

/**
 * Opens an Android sparse image. The reader owns `source` once this has succeeded.
 *
 * @throws {FastboopError} `corrupt`, `unsupported` for another version or chunk type, `limit`.
 */
export async function openAndroidSparse(
  source: Reader,
  options: ContainerOptions & { index?: AndroidSparseIndex } = {},
): Promise<AndroidSparseReader> {
  const action = `Open the Android sparse image ${source.identity}`;
  const { index, signal } = options;
  const header = await readSparseHeader(action, source, signal);
  const map = new ExtentMap();
  const checksums: Checksum[] = [];
  const add = (chunk: SparseChunk) => {
    const lengthBytes = chunk.blockCount * header.blockSizeBytes;
    if (chunk.chunkType === CHUNK.CRC32) {
      checksums.push({ endBytes: map.sizeBytes, crc32: chunk.crc32! });
    } else if (chunk.chunkType === CHUNK.RAW) map.addData(lengthBytes, chunk.payloadOffsetBytes);
    else map.addFill(lengthBytes, chunk.fillPattern === undefined ? 0 : word(chunk.fillPattern));
  };
  const known = index && await fittingIndex(action, source, header, index, signal);
  if (known === undefined) await scanSparse(action, source, header, add, signal);
  else known.chunks.forEach(add);
  if (header.imageChecksum !== 0) {
    checksums.push({ endBytes: map.sizeBytes, crc32: header.imageChecksum });
  }
  return new SparseReader(source, map, checksums);
}

class SparseReader extends ExtentReader implements AndroidSparseReader {
  readonly #checksums: readonly Checksum[];

  constructor(source: Reader, map: ExtentMap, checksums: readonly Checksum[]) {
    super(`android-sparse:(${source.identity})`, source, map, true);
    this.#checksums = checksums;
  }

  async verify(options: ReadOptions = {}): Promise<number> {
    const action = `Verify ${this.identity}`;
    const buffer = new Uint8Array(Math.min(VERIFY_BYTES, this.sizeBytes));
    let at = 0;
    let sum = 0;
    for (const { endBytes, crc32: expected } of this.#checksums) {
      while (at < endBytes) {
        if (options.signal?.aborted) throw cancelled(action, options.signal);
        const part = buffer.subarray(0, Math.min(buffer.length, endBytes - at));
        await this.readAt(at, part, options);
        sum = crc32(part, sum);
        at += part.length;
      }
      if (sum !== expected) {
        const hex = (value: number) => `0x${value.toString(16).padStart(8, "0")}`;
        throw broken(action, `up to byte ${at} the CRC-32 is ${hex(sum)}, not ${hex(expected)}`);
      }
    }
    return this.#checksums.length;
  }
}
