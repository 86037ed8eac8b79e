/** Sparse images of every chunk kind, which simg2img(1) also reads. */
import { crc32 } from "node:zlib";

export type Piece =
  | { kind: "raw"; bytes: Uint8Array }
  | { kind: "fill"; pattern: number; blocks: number }
  | { kind: "skip"; blocks: number }
  | { kind: "crc" };

export interface SparseShape {
  blockBytes: number;
  fileHeaderBytes?: number;
  chunkHeaderBytes?: number;
  imageChecksum?: boolean;
}

/** Encodes `pieces`; `plain` is what they stand for. */
export function encodeSparse(
  pieces: readonly Piece[],
  { blockBytes, fileHeaderBytes = 28, chunkHeaderBytes = 12, imageChecksum = false }: SparseShape,
): { stored: Uint8Array; plain: Uint8Array } {
  const plain = concat(pieces.map((piece) => plainOf(piece, blockBytes)));
  const chunks: Uint8Array[] = [];
  let done = 0;
  for (const piece of pieces) {
    const blocks = piece.kind === "raw"
      ? piece.bytes.length / blockBytes
      : piece.kind === "crc"
      ? 0
      : piece.blocks;
    done += blocks * blockBytes;
    const payload = payloadOf(piece, crc32(plain.subarray(0, done)));
    const chunk = new Uint8Array(chunkHeaderBytes + payload.length);
    const view = new DataView(chunk.buffer);
    view.setUint16(0, { raw: 0xcac1, fill: 0xcac2, skip: 0xcac3, crc: 0xcac4 }[piece.kind], true);
    view.setUint32(4, blocks, true);
    view.setUint32(8, chunk.length, true);
    chunk.set(payload, chunkHeaderBytes);
    chunks.push(chunk);
  }
  const header = new Uint8Array(fileHeaderBytes);
  const view = new DataView(header.buffer);
  view.setUint32(0, 0xed26ff3a, true);
  view.setUint16(4, 1, true);
  view.setUint16(8, fileHeaderBytes, true);
  view.setUint16(10, chunkHeaderBytes, true);
  view.setUint32(12, blockBytes, true);
  view.setUint32(16, plain.length / blockBytes, true);
  view.setUint32(20, pieces.length, true);
  view.setUint32(24, imageChecksum ? crc32(plain) : 0, true);
  return { stored: concat([header, ...chunks]), plain };
}

function plainOf(piece: Piece, blockBytes: number): Uint8Array {
  if (piece.kind === "raw") return piece.bytes;
  if (piece.kind === "crc") return new Uint8Array();
  const plain = new Uint8Array(piece.blocks * blockBytes);
  if (piece.kind === "fill") {
    const view = new DataView(plain.buffer);
    for (let at = 0; at < plain.length; at += 4) view.setUint32(at, piece.pattern, true);
  }
  return plain;
}

function payloadOf(piece: Piece, sum: number): Uint8Array {
  if (piece.kind === "raw") return piece.bytes;
  if (piece.kind === "skip") return new Uint8Array();
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, piece.kind === "fill" ? piece.pattern : sum, true);
  return payload;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
