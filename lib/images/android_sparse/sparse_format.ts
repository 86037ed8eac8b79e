/**
 * Headers of an Android sparse image. Source: system/core/libsparse/sparse_format.h of AOSP.
 *
 * ```text
 * file 28   0 magic | 4 major u16, 6 minor | 8 header size u16, 10 chunk header size u16 | 12 block size
 *           16 blocks | 20 chunks | 24 CRC-32 of the output or 0
 * chunk 12  0 type u16 | 4 blocks | 8 bytes with this header
 * ```
 */
import { FastboopError } from "../../errors/errors.ts";
import type { AndroidSparseIndex, SparseChunk } from "../pipeline/hints.ts";

const SPARSE_MAGIC = 0xed26ff3a;
export const FILE_HEADER_BYTES = 28;
const CHUNK_HEADER_BYTES = 12;
export const CHUNK = { RAW: 0xcac1, FILL: 0xcac2, DONT_CARE: 0xcac3, CRC32: 0xcac4 } as const;
/** Chunks of one image; the map of so many takes 80 MiB. */
const MOST_CHUNKS = 4 << 20;

export type SparseHeader = Omit<AndroidSparseIndex, "kind" | "chunks">;

/**
 * The file header, checked against the size of the stored file.
 *
 * @throws {FastboopError} `corrupt`, `unsupported` for another major version, `limit`.
 */
export function parseSparseHeader(
  action: string,
  bytes: Uint8Array,
  storedBytes: number,
): SparseHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== SPARSE_MAGIC) throw broken(action, "it has another magic");
  const major = view.getUint16(4, true);
  if (major !== 1) {
    const state = `it has version ${major}, version 1 is read`;
    throw new FastboopError({ kind: "unsupported", action, state });
  }
  const header = {
    fileHeaderBytes: view.getUint16(8, true),
    chunkHeaderBytes: view.getUint16(10, true),
    blockSizeBytes: view.getUint32(12, true),
    totalBlocks: view.getUint32(16, true),
    totalChunks: view.getUint32(20, true),
    imageChecksum: view.getUint32(24, true),
  };
  checkHeader(action, header, storedBytes);
  return header;
}

function checkHeader(action: string, header: SparseHeader, storedBytes: number): void {
  const { fileHeaderBytes, chunkHeaderBytes, blockSizeBytes, totalBlocks, totalChunks } = header;
  if (fileHeaderBytes < FILE_HEADER_BYTES || chunkHeaderBytes < CHUNK_HEADER_BYTES) {
    throw broken(action, `its headers have ${fileHeaderBytes} and ${chunkHeaderBytes} bytes`);
  }
  if (blockSizeBytes === 0 || blockSizeBytes % 4 !== 0) {
    throw broken(action, `its blocks have ${blockSizeBytes} bytes, must be a multiple of 4`);
  }
  if (totalChunks > (storedBytes - fileHeaderBytes) / chunkHeaderBytes) {
    throw broken(action, `${totalChunks} chunks do not fit into ${storedBytes} bytes`);
  }
  const tooLarge = !Number.isSafeInteger(totalBlocks * blockSizeBytes);
  if (tooLarge || totalChunks > MOST_CHUNKS) {
    const state = tooLarge
      ? `${totalBlocks} blocks of ${blockSizeBytes} bytes are too many`
      : `it has ${totalChunks} chunks, more than ${MOST_CHUNKS}`;
    throw new FastboopError({ kind: "limit", action, state });
  }
}

/** What a chunk header tells, with 4 bytes behind it where they are its payload. */
export interface ChunkFields {
  readonly chunkType: number;
  readonly blockCount: number;
  readonly totalSizeBytes: number;
}

export function parseChunkFields(bytes: Uint8Array): ChunkFields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    chunkType: view.getUint16(0, true),
    blockCount: view.getUint32(4, true),
    totalSizeBytes: view.getUint32(8, true),
  };
}

/**
 * Bytes of a chunk's payload, after its sizes agreed with its type and with what is left of both sides.
 *
 * @throws {FastboopError} `corrupt`, `unsupported` for a type of another maker.
 */
export function payloadBytes(
  action: string,
  header: SparseHeader,
  place: Pick<SparseChunk, "chunkIndex" | "chunkOffsetBytes">,
  fields: ChunkFields,
  left: { storedBytes: number; blocks: number },
): number {
  const what = `chunk ${place.chunkIndex} at byte ${place.chunkOffsetBytes}`;
  const { chunkType, blockCount, totalSizeBytes } = fields;
  const expected = payloadOf(chunkType, blockCount * header.blockSizeBytes);
  if (expected === undefined) {
    const state = `${what} has the unknown type 0x${chunkType.toString(16)}`;
    throw new FastboopError({ kind: "unsupported", action, state });
  }
  if (totalSizeBytes !== header.chunkHeaderBytes + expected) {
    const right = header.chunkHeaderBytes + expected;
    throw broken(action, `${what} says it has ${totalSizeBytes} bytes, must have ${right}`);
  }
  if (totalSizeBytes > left.storedBytes) throw broken(action, `${what} is cut`);
  if (chunkType === CHUNK.CRC32 ? blockCount !== 0 : blockCount > left.blocks) {
    throw broken(action, `${what} has ${blockCount} blocks, ${left.blocks} are left`);
  }
  return expected;
}

function payloadOf(chunkType: number, outputBytes: number): number | undefined {
  switch (chunkType) {
    case CHUNK.RAW:
      return outputBytes;
    case CHUNK.DONT_CARE:
      return 0;
    case CHUNK.FILL:
    case CHUNK.CRC32:
      return 4;
  }
  return undefined;
}

export function broken(action: string, state: string): FastboopError {
  const hint = "Fetch the image again";
  return new FastboopError({ kind: "corrupt", action, state, hint });
}
