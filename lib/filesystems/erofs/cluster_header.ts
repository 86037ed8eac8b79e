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

export function parseClusterHeader(bytes: Uint8Array): ClusterHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, CLUSTER_HEADER_BYTES);
  const algorithms = bytes[6]!;
  const whole = (bytes[7]! & 0x80) !== 0;
  return {
    advise: whole ? 0 : view.getUint16(4, true),
    algorithms: [algorithms & 15, algorithms >>> 4],
    clusterBits: bytes[7]! & 15,
    fragmentOffset: view.getUint32(0, true),
    inlineTailBytes: view.getUint16(2, true),
    extentCount: view.getUint32(0, true) + view.getUint16(6, true) * 2 ** 32,
    wholeFragmentOffset: whole
      ? view.getUint32(0, true) + (view.getUint32(4, true) & 0x7fffffff) * 2 ** 32
      : undefined,
  };
}
