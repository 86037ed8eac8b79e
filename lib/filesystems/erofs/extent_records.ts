/**
 * The index of a compressed file as extent records, which came with 48-bit images. Addresses and
 * lengths are bytes.
 *
 *     u32 length and format, u32 physical low, u32 physical high, u32 logical low, u32 logical high
 *
 * A record has the first 4, 8, 16 or 32 bytes of that. Short ones stand for one logical cluster each;
 * with 4 bytes a u64 start comes first and the clusters follow each other.
 * Source: struct z_erofs_extent of fs/erofs/erofs_fs.h.
 */
import { readU64 } from "../../bytes/read_u64.ts";
import { ExtentMap, FORMAT } from "./extent_map.ts";
import { ADVISE } from "./format.ts";
import { damagedIndex, type IndexShape } from "./index_shape.ts";

const LENGTH_MASK = 0x1fffff;
const PARTIAL = 1 << 27;
const FORMAT_BIT = 28;

/** Bytes of one record. */
export function extentRecordBytes(advise: number): number {
  return 4 << ((advise >>> 1) & 3);
}

/** How many records there are, and bytes with what comes before them. */
export function extentRecords(
  { header, sizeBytes, clusterBytes }: IndexShape,
): { count: number; totalBytes: number } {
  const recordBytes = extentRecordBytes(header.advise);
  const count = recordBytes >= 16 ? header.extentCount : Math.ceil(sizeBytes / clusterBytes);
  return { count, totalBytes: count * recordBytes + (recordBytes === 4 ? 8 : 0) };
}

/** Extents of the index at `from`. */
export function parseExtentRecords(shape: IndexShape, view: DataView, from: number): ExtentMap {
  const { header, sizeBytes, clusterBytes, blockBytes } = shape;
  const recordBytes = extentRecordBytes(header.advise);
  const { count } = extentRecords(shape);
  const map = new ExtentMap(sizeBytes);
  let next = recordBytes === 4 ? readU64(view, from) : 0;
  for (let i = 0; i < count; i++) {
    const at = from + i * recordBytes + (recordBytes === 4 ? 8 : 0);
    const word = view.getUint32(at, true);
    const storedBytes = word & LENGTH_MASK;
    let physical = next;
    if (recordBytes === 4) next += storedBytes;
    else physical = view.getUint32(at + 4, true);
    if (recordBytes >= 16) physical += view.getUint32(at + 8, true) * 2 ** 32;
    const high = recordBytes === 32 ? view.getUint32(at + 16, true) * 2 ** 32 : 0;
    const start = recordBytes >= 16 ? view.getUint32(at + 12, true) + high : i * clusterBytes;
    if (start <= map.lastStart || (i === 0 && start !== 0) || start >= sizeBytes) {
      throw damagedIndex(shape, `extent ${i} starts at ${start}`);
    }
    if (i === count - 1 && header.advise & ADVISE.FRAGMENT_TAIL) {
      // The shortest records have no room for the upper half of its offset.
      const upper = recordBytes === 4 ? 0 : physical % 2 ** 32;
      map.add(start, FORMAT.FRAGMENT, word + upper * 2 ** 32, 0);
      continue;
    }
    const aligned = physical % blockBytes === 0 && storedBytes % blockBytes === 0;
    const interlaced = aligned && (header.advise & ADVISE.INTERLACED) !== 0;
    const code = word >>> FORMAT_BIT;
    const format = storedBytes === 0
      ? FORMAT.HOLE
      : code !== 0
      ? FORMAT.COMPRESSED + code - 1
      : interlaced
      ? FORMAT.INTERLACED
      : FORMAT.SHIFTED;
    map.add(start, format, physical, storedBytes, (word & PARTIAL) !== 0);
  }
  return map;
}
