import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import type { AndroidSparseIndex, SparseChunk } from "../pipeline/hints.ts";
import { readSparseHeader, scanSparse } from "./scan_sparse.ts";

/** Chunks a hint may list; the image itself may have more. */
const MOST_CHUNKS = 512 << 10;

/**
 * Everything the headers of an Android sparse image tell, as a hint for opening it again. `source` stays the
 * caller's.
 *
 * @throws {FastboopError} as opening does; `limit` above 524288 chunks.
 */
export async function readAndroidSparseIndex(
  source: Reader,
  options: { signal?: AbortSignal } = {},
): Promise<AndroidSparseIndex> {
  const action = `Index the Android sparse image ${source.identity}`;
  const header = await readSparseHeader(action, source, options.signal);
  if (header.totalChunks > MOST_CHUNKS) {
    const state = `it has ${header.totalChunks} chunks, a hint takes ${MOST_CHUNKS}`;
    throw new FastboopError({ kind: "limit", action, state });
  }
  const chunks: SparseChunk[] = [];
  await scanSparse(action, source, header, (chunk) => chunks.push(chunk), options.signal);
  return { kind: "android-sparse-index", ...header, chunks };
}
