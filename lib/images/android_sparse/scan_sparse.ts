import { cancelled } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import type { SparseChunk } from "../pipeline/hints.ts";
import { ScanWindow } from "../scan_window.ts";
import {
  broken,
  CHUNK,
  FILE_HEADER_BYTES,
  parseChunkFields,
  parseSparseHeader,
  payloadBytes,
  type SparseHeader,
} from "./sparse_format.ts";

/** Chunks between two looks at the signal. */
const SIGNAL_EVERY = 4096;

/** The checked header at the start of `source`. */
export async function readSparseHeader(
  action: string,
  source: Reader,
  signal?: AbortSignal,
): Promise<SparseHeader> {
  const bytes = await new ScanWindow(source, signal).at(0, FILE_HEADER_BYTES);
  if (bytes === undefined) throw broken(action, `it has ${source.sizeBytes} bytes`);
  return parseSparseHeader(action, bytes, source.sizeBytes);
}

/**
 * Gives every chunk to `onChunk`, in order. Only headers are read, many at a time where the payloads between
 * them are small.
 *
 * @throws {FastboopError} `corrupt` also when the blocks do not add up to what the header says; `unsupported`.
 */
export async function scanSparse(
  action: string,
  source: Reader,
  header: SparseHeader,
  onChunk: (chunk: SparseChunk) => void,
  signal?: AbortSignal,
): Promise<void> {
  const window = new ScanWindow(source, signal);
  let at = header.fileHeaderBytes;
  let blocks = 0;
  for (let chunkIndex = 0; chunkIndex < header.totalChunks; chunkIndex++) {
    if (chunkIndex % SIGNAL_EVERY === 0 && signal?.aborted) throw cancelled(action, signal);
    // A payload of 4 bytes is looked at with its header; the last chunk may have none.
    const lookBytes = Math.min(header.chunkHeaderBytes + 4, source.sizeBytes - at);
    const bytes = window.peek(at, lookBytes) ?? await window.at(at, lookBytes);
    if (bytes === undefined || lookBytes < header.chunkHeaderBytes) {
      throw broken(action, `it ends before chunk ${chunkIndex} of ${header.totalChunks}`);
    }
    const chunk = sparseChunk(action, header, { chunkIndex, at, blocks }, bytes, source.sizeBytes);
    onChunk(chunk);
    at += chunk.totalSizeBytes;
    blocks += chunk.blockCount;
  }
  if (blocks !== header.totalBlocks) {
    throw broken(action, `its chunks have ${blocks} blocks, the header says ${header.totalBlocks}`);
  }
}

function sparseChunk(
  action: string,
  header: SparseHeader,
  { chunkIndex, at, blocks }: { chunkIndex: number; at: number; blocks: number },
  bytes: Uint8Array,
  storedBytes: number,
): SparseChunk {
  const fields = parseChunkFields(bytes);
  const left = { storedBytes: storedBytes - at, blocks: header.totalBlocks - blocks };
  const place = { chunkIndex, chunkOffsetBytes: at };
  const payloadSizeBytes = payloadBytes(action, header, place, fields, left);
  const payloadOffsetBytes = at + header.chunkHeaderBytes;
  const chunk = { ...place, ...fields, payloadOffsetBytes, payloadSizeBytes };
  const payload = bytes.subarray(header.chunkHeaderBytes);
  if (fields.chunkType === CHUNK.CRC32) return { ...chunk, crc32: word(payload) };
  const outputStartBytes = blocks * header.blockSizeBytes;
  const outputEndBytes = (blocks + fields.blockCount) * header.blockSizeBytes;
  const placed = { ...chunk, outputStartBytes, outputEndBytes };
  return fields.chunkType === CHUNK.FILL ? { ...placed, fillPattern: payload.slice(0, 4) } : placed;
}

/** A little-endian u32. */
export function word(bytes: Uint8Array): number {
  return (bytes[0]! | bytes[1]! << 8 | bytes[2]! << 16 | bytes[3]! << 24) >>> 0;
}
