import type { Reader } from "../../sources/reader.ts";
import type { AndroidSparseIndex, SparseChunk } from "../pipeline/hints.ts";
import { word } from "./scan_sparse.ts";
import { CHUNK, parseChunkFields, payloadBytes, type SparseHeader } from "./sparse_format.ts";

/** Chunk headers of the file that a hint is compared with. */
const SAMPLES = 8;

/**
 * The hint when it fits, else undefined: its header must be the file's, every offset must follow from the
 * sizes before it, and of a few chunks, the last one among them, the header must stand in the file.
 */
export async function fittingIndex(
  action: string,
  source: Reader,
  header: SparseHeader,
  index: AndroidSparseIndex,
  signal?: AbortSignal,
): Promise<AndroidSparseIndex | undefined> {
  const { chunks } = index;
  if (chunks.length !== header.totalChunks || !sameHeader(header, index)) return undefined;
  if (!adds(action, header, chunks, source.sizeBytes)) return undefined;
  const step = Math.max(1, Math.floor(chunks.length / SAMPLES));
  for (let i = chunks.length - 1; i >= 0; i -= step) {
    if (!await stands(source, header, chunks[i]!, signal)) return undefined;
  }
  return index;
}

function sameHeader(header: SparseHeader, index: AndroidSparseIndex): boolean {
  return Object.entries(header).every(([name, value]) => {
    return index[name as keyof SparseHeader] === value;
  });
}

function adds(
  action: string,
  header: SparseHeader,
  chunks: readonly SparseChunk[],
  storedBytes: number,
): boolean {
  let at = header.fileHeaderBytes;
  let blocks = 0;
  for (const [i, chunk] of chunks.entries()) {
    if (chunk.chunkIndex !== i || chunk.chunkOffsetBytes !== at) return false;
    const left = { storedBytes: storedBytes - at, blocks: header.totalBlocks - blocks };
    try {
      if (chunk.payloadSizeBytes !== payloadBytes(action, header, chunk, chunk, left)) return false;
    } catch {
      return false;
    }
    if (chunk.payloadOffsetBytes !== at + header.chunkHeaderBytes) return false;
    if (chunk.chunkType === CHUNK.FILL && chunk.fillPattern?.length !== 4) return false;
    if (chunk.chunkType !== CHUNK.FILL && chunk.fillPattern !== undefined) return false;
    if ((chunk.chunkType === CHUNK.CRC32) !== (chunk.crc32 !== undefined)) return false;
    at += chunk.totalSizeBytes;
    blocks += chunk.blockCount;
  }
  return blocks === header.totalBlocks;
}

async function stands(
  source: Reader,
  header: SparseHeader,
  chunk: SparseChunk,
  signal?: AbortSignal,
): Promise<boolean> {
  const payload = chunk.fillPattern !== undefined || chunk.crc32 !== undefined ? 4 : 0;
  const bytes = new Uint8Array(header.chunkHeaderBytes + payload);
  await source.readAt(chunk.chunkOffsetBytes, bytes, signal === undefined ? {} : { signal });
  const { chunkType, blockCount, totalSizeBytes } = parseChunkFields(bytes);
  if (
    chunkType !== chunk.chunkType || blockCount !== chunk.blockCount ||
    totalSizeBytes !== chunk.totalSizeBytes
  ) return false;
  if (payload === 0) return true;
  const said = chunk.crc32 ?? word(chunk.fillPattern!);
  return said === word(bytes.subarray(header.chunkHeaderBytes));
}
