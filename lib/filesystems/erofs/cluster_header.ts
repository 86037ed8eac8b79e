/**
 * The header of a compressed inode's index, 8 bytes at the next multiple of 8 behind inode and xattrs.
 *
 *     0 u32 fragment offset, or u16 0 and u16 inline tail bytes, or u32 extent count
 *     4 u16 advise   6 u8 algorithms (low: HEAD1, high: HEAD2)   7 u8 cluster bits, bit 7: all in a fragment
 *
 * Source: struct z_erofs_map_header of fs/erofs/erofs_fs.h.
 */

export const CLUSTER_HEADER_BYTES = 8;

/** The header's fields, several of which share bytes. */
export interface ClusterHeader {
  readonly advise: number;
  readonly algorithms: readonly [head1: number, head2: number];
  /** Bits of a logical cluster beyond those of a block. */
  readonly clusterBits: number;
  readonly fragmentOffset: number;
  readonly inlineTailBytes: number;
  /** Count of 16- and 32-byte extent records. */
  readonly extentCount: number;
  /** Where the whole file starts in the packed one, when that is so. */
  readonly wholeFragmentOffset: number | undefined;
}

/** The header at `at`. */
export function parseClusterHeader(view: DataView, at: number): ClusterHeader {
  const algorithms = view.getUint8(at + 6);
  const bits = view.getUint8(at + 7);
  const whole = (bits & 0x80) !== 0;
  return {
    advise: whole ? 0 : view.getUint16(at + 4, true),
    algorithms: [algorithms & 15, algorithms >>> 4],
    clusterBits: bits & 15,
    fragmentOffset: view.getUint32(at, true),
    inlineTailBytes: view.getUint16(at + 2, true),
    extentCount: view.getUint32(at, true) + view.getUint16(at + 6, true) * 2 ** 32,
    wholeFragmentOffset: whole
      ? view.getUint32(at, true) + (view.getUint32(at + 4, true) & 0x7fffffff) * 2 ** 32
      : undefined,
  };
}
