/** The file of a boot trace: block numbers in order of first use. Pure; see the table in disk_cache/README.md. */
import { crc32 } from "node:zlib";
import { readU64 } from "../../bytes/read_u64.ts";
import { BLOCK_BYTES, type BlockLayout } from "../disk_cache/block_format.ts";

/** 128 GiB of blocks. */
export const MAX_TRACE_BLOCKS = 1 << 20;
export const TRACE_HEADER_BYTES = 64;
const MAGIC = new TextEncoder().encode("FBOOPTRC");
const VERSION = 1;

export function encodeTrace(layout: BlockLayout, blocks: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(TRACE_HEADER_BYTES + blocks.length * 4);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, BLOCK_BYTES, true);
  view.setBigUint64(16, BigInt(layout.sizeBytes), true);
  bytes.set(keyBytes(layout), 24);
  view.setUint32(56, blocks.length, true);
  blocks.forEach((block, i) => view.setUint32(TRACE_HEADER_BYTES + i * 4, block, true));
  view.setUint32(60, crc32(bytes), true);
  return bytes;
}

/** Bytes of the longest trace of a source, which names no block twice. */
export function mostTraceBytes({ blockCount }: BlockLayout): number {
  return TRACE_HEADER_BYTES + Math.min(blockCount, MAX_TRACE_BLOCKS) * 4;
}

/** Undefined for bytes that are damaged, or belong to another source or geometry. */
export function parseTrace(bytes: Uint8Array, layout: BlockLayout): Uint32Array | undefined {
  if (bytes.length < TRACE_HEADER_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    return undefined;
  }
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  const count = view.getUint32(56, true);
  const checksum = view.getUint32(60, true);
  view.setUint32(60, 0, true);
  const fits = view.getUint32(8, true) === VERSION && view.getUint32(12, true) === BLOCK_BYTES &&
    readU64(view, 16) === layout.sizeBytes &&
    keyBytes(layout).every((byte, i) => copy[24 + i] === byte) &&
    count <= MAX_TRACE_BLOCKS && copy.length === TRACE_HEADER_BYTES + count * 4 &&
    crc32(copy) === checksum;
  if (!fits) return undefined;
  const blocks = new Uint32Array(count);
  const seen = new Uint8Array(layout.blockCount);
  for (let i = 0; i < count; i++) {
    const block = blocks[i] = view.getUint32(TRACE_HEADER_BYTES + i * 4, true);
    if (block >= layout.blockCount || seen[block] !== 0) return undefined;
    seen[block] = 1;
  }
  return blocks;
}

function keyBytes({ key }: BlockLayout): Uint8Array {
  return Uint8Array.fromHex(key);
}
