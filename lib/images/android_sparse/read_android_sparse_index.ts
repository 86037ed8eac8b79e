import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import { type AndroidSparseIndex, MAX_HINT_ITEMS, type SparseChunk } from "../pipeline/hints.ts";
import { readSparseHeader, scanSparse } from "./scan_sparse.ts";

/**
 * Everything the headers of an Android sparse image tell, as a hint for opening it again. `source` stays the
 * caller's.
 *
 * @throws {FastboopError} as opening does; `limit` above 262144 chunks, which no hint can hold.
 */
export async function readAndroidSparseIndex(
  source: Reader,
  options: { signal?: AbortSignal } = {},
): Promise<AndroidSparseIndex> {
  const action = `Index the Android sparse image ${source.identity}`;
  const header = await readSparseHeader(action, source, options.signal);
  if (header.totalChunks > MAX_HINT_ITEMS) {
    const state = `it has ${header.totalChunks} chunks, a hint takes ${MAX_HINT_ITEMS}`;
    throw new FastboopError({ kind: "limit", action, state });
  }
  const chunks: SparseChunk[] = [];
  await scanSparse(action, source, header, (chunk) => chunks.push(chunk), options.signal);
  return { kind: "android-sparse-index", ...header, chunks };
}
