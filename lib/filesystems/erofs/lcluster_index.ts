/**
 * The index of a compressed file with one record per logical cluster, in its two forms.
 *
 * Full, 8 bytes: u16 advise (bits 0-1 type, bit 15 partial), u16 offset in the cluster, then u32 block
 * of a head, or u16 distances of a non-head.
 *
 * Compact: packs of 2 records in 8 bytes or 16 in 32; the last u32 of a pack is a block number, records
 * of 16 or 14 bits fill the rest: value, then 2 bits type. A head's block follows from how many blocks
 * the heads before it in the pack take.
 *
 * Source: struct z_erofs_lcluster_index of fs/erofs/erofs_fs.h; Documentation/filesystems/erofs.rst.
 */
import { alignUp } from "../../bytes/align.ts";
import { ExtentMap, FORMAT } from "./extent_map.ts";
import { ADVISE, BLOCK_COUNT_FLAG, LCLUSTER } from "./format.ts";
import { damagedIndex, type IndexShape } from "./index_shape.ts";

const FULL_BYTES = 8;
/** Between the header and the records of the full form. */
export const FULL_GAP_BYTES = 8;
const PARTIAL_REFERENCE = 0x8000;

/** The runs of packs of the compact form, in records. */
export interface PackRuns {
  readonly leading4: number;
  readonly middle2: number;
  readonly trailing4: number;
  readonly totalBytes: number;
}

/** How the compact form is cut: 4-byte records up to a multiple of 32, 2-byte ones, 4-byte ones. */
export function packRuns({ header, sizeBytes, clusterBytes, offset }: IndexShape): PackRuns {
  const total = Math.ceil(sizeBytes / clusterBytes);
  const leading4 = Math.min(total, ((32 - (offset % 32)) / 4) & 7);
  const middle2 = header.advise & ADVISE.COMPACTED_2B
    ? Math.floor((total - leading4) / 16) * 16
    : 0;
  const trailing4 = total - leading4 - middle2;
  const totalBytes = alignUp(leading4, 2) * 4 + middle2 * 2 + alignUp(trailing4, 2) * 4;
  return { leading4, middle2, trailing4, totalBytes };
}

/** Bytes of the index in the full form. */
export function fullIndexBytes({ sizeBytes, clusterBytes }: IndexShape): number {
  return Math.ceil(sizeBytes / clusterBytes) * FULL_BYTES;
}

/** Extents of the index at `start`, in the full form. */
export function parseFullIndex(shape: IndexShape, view: DataView, start: number): ExtentMap {
  const builder = new Builder(shape);
  const { header } = shape;
  const end = start + fullIndexBytes(shape);
  for (let at = start; at < end; at += FULL_BYTES) {
    const advise = view.getUint16(at, true);
    const type = advise & 3;
    if (type === LCLUSTER.NONHEAD) builder.nonHead(view.getUint16(at + 4, true));
    else {
      const block = view.getUint32(at + 4, true);
      const partial = (advise & PARTIAL_REFERENCE) !== 0;
      builder.head(type, view.getUint16(at + 2, true), block, partial);
    }
  }
  const map = builder.finish();
  if (header.advise & ADVISE.FRAGMENT_TAIL) {
    // The block field of the tail's head is the upper half of its offset.
    const high = view.getUint32(start + builder.tailHeadRecord * FULL_BYTES + 4, true);
    map.setLastFragment(header.fragmentOffset + high * 2 ** 32);
  }
  return map;
}

/** Extents of the index at `start`, in the compact form. */
export function parseCompactIndex(shape: IndexShape, view: DataView, start: number): ExtentMap {
  const builder = new Builder(shape);
  const { leading4, middle2, trailing4 } = packRuns(shape);
  const valueBits = Math.max(12, Math.log2(shape.clusterBytes));
  const big = (shape.header.advise & ADVISE.BIG_HEAD1) !== 0;
  let at = start;
  const run = (records: number, perPack: number, recordBits: number, packBytes: number) => {
    for (let left = records; left > 0; left -= perPack) {
      const pack = { at, records: Math.min(left, perPack), recordBits, packBytes, valueBits, big };
      readPack(builder, view, pack);
      at += packBytes;
    }
  };
  run(leading4, 2, 16, 8);
  run(middle2, 16, 14, 32);
  run(trailing4, 2, 16, 8);
  const map = builder.finish();
  if (shape.header.advise & ADVISE.FRAGMENT_TAIL) map.setLastFragment(shape.header.fragmentOffset);
  return map;
}

/** One pack of the compact form. */
interface Pack {
  readonly at: number;
  readonly records: number;
  readonly recordBits: number;
  readonly packBytes: number;
  /** Bits of a record's value; its type is above. */
  readonly valueBits: number;
  /** Whether clusters may take several blocks. */
  readonly big: boolean;
}

/** Feeds the records of one pack. */
function readPack(
  builder: Builder,
  view: DataView,
  { at, records, recordBits, packBytes, valueBits, big }: Pack,
): void {
  const base = view.getUint32(at + packBytes - 4, true);
  // With big clusters the base is the first head's own block, without it is the one before.
  let block = big ? base : base + 1;
  let headBefore = false;
  for (let i = 0; i < records; i++) {
    const bit = i * recordBits;
    const byte = at + (bit >>> 3);
    const raw = (view.getUint16(byte, true) | (view.getUint8(byte + 2) << 16)) >>> (bit & 7);
    const value = raw & ((1 << valueBits) - 1);
    const type = (raw >>> valueBits) & 3;
    if (type !== LCLUSTER.NONHEAD) {
      builder.head(type, value, block, false);
      block++;
      headBefore = true;
      continue;
    }
    builder.nonHead(value);
    if (big && value & BLOCK_COUNT_FLAG) {
      // It counts the blocks of the head before it, of which one was counted if that is in this pack.
      block += (value & ~BLOCK_COUNT_FLAG) - (headBefore ? 1 : 0);
    }
    headBefore = false;
  }
}

/** Makes extents of records in order. */
class Builder {
  readonly #shape: IndexShape;
  readonly #map: ExtentMap;
  #record = 0;
  #headRecord = -1;
  #headType = 0;
  /** Record of the first head that takes no block. */
  #emptyRecord = -1;
  /** Record of the head of the last extent inside the file. */
  tailHeadRecord = 0;

  constructor(shape: IndexShape) {
    this.#shape = shape;
    this.#map = new ExtentMap(shape.sizeBytes);
  }

  head(type: number, clusterOffset: number, block: number, partial: boolean): void {
    const { header, clusterBytes, blockBytes, sizeBytes } = this.#shape;
    const record = this.#record++;
    if (clusterOffset >= clusterBytes) {
      throw damagedIndex(
        this.#shape,
        `cluster ${record} starts ${clusterOffset} bytes into itself`,
      );
    }
    const start = record * clusterBytes + clusterOffset;
    if (this.#map.count === 0 && start !== 0) {
      throw damagedIndex(this.#shape, `the first cluster starts at ${start}`);
    }
    this.#headRecord = record;
    this.#headType = type;
    // The last head may only mark where the file ends.
    if (start >= sizeBytes) return;
    const format = type === LCLUSTER.PLAIN
      ? header.advise & ADVISE.INTERLACED ? FORMAT.INTERLACED : FORMAT.SHIFTED
      : FORMAT.COMPRESSED + header.algorithms[type === LCLUSTER.HEAD2 ? 1 : 0];
    this.#map.add(start, format, block * blockBytes, blockBytes, partial);
    this.tailHeadRecord = record;
  }

  nonHead(value: number): void {
    const record = this.#record++;
    if (this.#map.count === 0) throw damagedIndex(this.#shape, "the first cluster has no head");
    // Only the first record behind a head can tell how many blocks the head takes.
    if (this.#headRecord !== record - 1 || !(value & BLOCK_COUNT_FLAG)) return;
    const { header, blockBytes } = this.#shape;
    const bigFlag = this.#headType === LCLUSTER.HEAD2 ? ADVISE.BIG_HEAD2 : ADVISE.BIG_HEAD1;
    if (!(header.advise & bigFlag)) return;
    const blocks = value & ~BLOCK_COUNT_FLAG;
    if (blocks > 0) this.#map.setLastStored(blocks * blockBytes);
    else if (this.#emptyRecord < 0) this.#emptyRecord = record - 1;
  }

  finish(): ExtentMap {
    // Only a tail that lies elsewhere takes none.
    const elsewhere = this.#shape.header.advise & (ADVISE.FRAGMENT_TAIL | ADVISE.INLINE_TAIL);
    if (this.#emptyRecord >= 0 && (!elsewhere || this.#emptyRecord !== this.tailHeadRecord)) {
      throw damagedIndex(this.#shape, `cluster ${this.#emptyRecord} takes no block`);
    }
    return this.#map;
  }
}
