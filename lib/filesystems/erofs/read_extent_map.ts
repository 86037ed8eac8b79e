import { alignUp } from "../../bytes/align.ts";
import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import { type Answer, then } from "../answer.ts";
import { type HeldBytes, lend } from "../image_pages.ts";
import { CLUSTER_HEADER_BYTES, type ClusterHeader, parseClusterHeader } from "./cluster_header.ts";
import { ExtentMap, FORMAT } from "./extent_map.ts";
import { extentRecordBytes, extentRecords, parseExtentRecords } from "./extent_records.ts";
import { ADVISE, LAYOUT, MAX_INDEX_BYTES } from "./format.ts";
import { damagedIndex, indexAction, type IndexShape } from "./index_shape.ts";
import type { ErofsInode } from "./inode.ts";
import {
  FULL_GAP_BYTES,
  fullIndexBytes,
  packRuns,
  parseCompactIndex,
  parseFullIndex,
} from "./lcluster_index.ts";
import type { Superblock } from "./superblock.ts";

/** Largest logical cluster whose offsets fit into a record. */
const MAX_CLUSTER_BITS = 14;

/**
 * Reads the whole index of a compressed inode from the space it lies in.
 *
 * @throws {FastboopError} `corrupt`, `limit` for an index beyond 8 MiB, `unsupported`.
 */
export function readExtentMap(
  superblock: Superblock,
  inode: ErofsInode,
  meta: Reader,
): Answer<ExtentMap> {
  const headerOffset = alignUp(inode.offset + inode.headBytes + inode.xattrBytes, 8);
  return then(readIndex(inode, meta, headerOffset, CLUSTER_HEADER_BYTES), (head: HeldBytes) => {
    const header = parseClusterHeader(head.view, headerOffset - head.offsetBytes);
    return readExtents(superblock, inode, meta, header, headerOffset + CLUSTER_HEADER_BYTES);
  });
}

/** Reads what follows the header, which ends at `end`. */
function readExtents(
  superblock: Superblock,
  inode: ErofsInode,
  meta: Reader,
  header: ClusterHeader,
  end: number,
): Answer<ExtentMap> {
  const { sizeBytes } = inode;
  if (header.wholeFragmentOffset !== undefined) {
    const map = new ExtentMap(sizeBytes);
    map.add(0, FORMAT.FRAGMENT, header.wholeFragmentOffset, 0);
    return map;
  }
  const compact = inode.layout === LAYOUT.COMPRESSED_COMPACT;
  const records = !compact && (header.advise & ADVISE.EXTENTS) !== 0;
  const counted = records && extentRecordBytes(header.advise) >= 16;
  const clusterBits = superblock.blockBits + (counted ? 0 : header.clusterBits);
  const twoBytes = compact && (header.advise & ADVISE.COMPACTED_2B) !== 0;
  if (!records && clusterBits > (twoBytes ? 12 : MAX_CLUSTER_BITS)) {
    const state = `its clusters have 2^${clusterBits} bytes`;
    throw new FastboopError({ kind: "unsupported", action: indexAction(inode.ref), state });
  }
  const shape: IndexShape = {
    ref: inode.ref,
    header,
    sizeBytes,
    blockBytes: superblock.blockBytes,
    clusterBytes: 2 ** clusterBits,
    offset: compact
      ? end
      : records
      ? alignUp(end, extentRecordBytes(header.advise))
      : end + FULL_GAP_BYTES,
  };
  const totalBytes = records
    ? extentRecords(shape).totalBytes
    : compact
    ? packRuns(shape).totalBytes
    : fullIndexBytes(shape);
  const parse = records ? parseExtentRecords : compact ? parseCompactIndex : parseFullIndex;
  return then(readIndex(inode, meta, shape.offset, totalBytes), (index: HeldBytes) => {
    const map = parse(shape, index.view, shape.offset - index.offsetBytes);
    if (map.count === 0) throw damagedIndex(shape, "it has no cluster at all");
    if (!records && header.advise & ADVISE.INLINE_TAIL) {
      map.setLastInline(shape.offset + totalBytes, header.inlineTailBytes);
    }
    return map;
  });
}

/** The bytes, lent when they are there. */
function readIndex(
  inode: ErofsInode,
  meta: Reader,
  offset: number,
  lengthBytes: number,
): Answer<HeldBytes> {
  if (lengthBytes > meta.sizeBytes - offset) {
    throw damagedIndex(inode, `${lengthBytes} bytes at ${offset} lie behind the end`);
  }
  if (lengthBytes > MAX_INDEX_BYTES) {
    const state = `it has ${lengthBytes} bytes, more than ${MAX_INDEX_BYTES}`;
    throw new FastboopError({ kind: "limit", action: indexAction(inode.ref), state });
  }
  return lend(meta, offset, lengthBytes);
}
