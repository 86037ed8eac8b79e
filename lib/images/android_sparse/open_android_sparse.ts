/**
 * An Android sparse image as the image it stands for.
 *
 * All chunk headers are read at opening, or taken from a hint; a read then finds its chunks by binary search.
 * Blocks nobody cares about read as zeros. A CRC-32, in a chunk of its own or in the header, covers all of the
 * output before it, which no read has: none is compared. Not read: sets of split files, chunk types of other
 * makers. Source: pipeline.md 2.6, system/core/libsparse of AOSP.
 */
import type { Reader } from "../../sources/reader.ts";
import type { ContainerOptions } from "../container.ts";
import { ExtentMap, ExtentReader } from "../extent_reader.ts";
import type { AndroidSparseIndex, SparseChunk } from "../pipeline/hints.ts";
import { fittingIndex } from "./fitting_index.ts";
import { readSparseHeader, scanSparse, word } from "./scan_sparse.ts";
import { CHUNK } from "./sparse_format.ts";

/**
 * Opens an Android sparse image. The reader owns `source` once this has succeeded.
 *
 * @throws {FastboopError} `corrupt`, `unsupported` for another version or chunk type, `limit`.
 */
export async function openAndroidSparse(
  source: Reader,
  options: ContainerOptions & { index?: AndroidSparseIndex } = {},
): Promise<Reader> {
  const action = `Open the Android sparse image ${source.identity}`;
  const { index, signal } = options;
  const header = await readSparseHeader(action, source, signal);
  const map = new ExtentMap();
  const add = (chunk: SparseChunk) => {
    const lengthBytes = chunk.blockCount * header.blockSizeBytes;
    if (chunk.chunkType === CHUNK.RAW) map.addData(lengthBytes, chunk.payloadOffsetBytes);
    else map.addFill(lengthBytes, chunk.fillPattern === undefined ? 0 : word(chunk.fillPattern));
  };
  const known = index && await fittingIndex(action, source, header, index, signal);
  if (known === undefined) await scanSparse(action, source, header, add, signal);
  else known.chunks.forEach(add);
  return new ExtentReader(`android-sparse:(${source.identity})`, source, map, true);
}
