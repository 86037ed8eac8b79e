/**
 * The superblock of any ext2, ext3 or ext4 image.
 *
 * Source: Documentation/filesystems/ext4/super.rst; fs/ext4/ext4.h for the feature bits.
 */
import { updateCrc32c } from "../../bytes/crc32c.ts";
import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import { damaged } from "../damaged.ts";
import {
  INCOMPAT,
  RO_COMPAT,
  SUPERBLOCK_BYTES,
  SUPERBLOCK_MAGIC,
  SUPERBLOCK_OFFSET,
} from "./format.ts";

/** What the reading side needs of the superblock. */
export interface Ext4Superblock {
  readonly blockBytes: number;
  /** What is allocated at a time: a block without bigalloc. */
  readonly clusterBytes: number;
  readonly blockCount: number;
  readonly inodeCount: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  readonly groupCount: number;
  readonly inodeBytes: number;
  readonly descriptorBytes: number;
  readonly compat: number;
  readonly incompat: number;
  readonly roCompat: number;
  /** First block of descriptors that lies in its own meta group; Infinity without meta_bg. */
  readonly firstMetaGroup: number;
  /** Groups with a backup under sparse_super2. */
  readonly backupGroups: readonly [number, number];
  /** Seed of all checksums but the superblock's; undefined without metadata_csum. */
  readonly checksumSeed: number | undefined;
}

const CHECKSUM_OFFSET = 0x3fc;
const CRC32C_TYPE = 1;
const MAX_BLOCK_BITS = 16;
/** fs/ext4/ext4.h: EXT4_MAX_CLUSTER_LOG_SIZE */
const MAX_CLUSTER_BITS = 30;
/** EXT4_FEATURE_RO_COMPAT_BIGALLOC */
const BIGALLOC = 0x200;

/** FILETYPE RECOVER META_BG EXTENTS 64BIT MMP FLEX_BG EA_INODE CSUM_SEED LARGEDIR INLINE ENCRYPT CASEFOLD */
const KNOWN_INCOMPAT = 0x2 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 |
  0x8000 | 0x10000 | 0x20000;
const REFUSED: readonly (readonly [bit: number, state: string, hint: string])[] = [
  [0x1, "it is compressed, which Linux never read", "Make the image anew"],
  [0x8, "it is an external journal, not a file system", "Name the image that holds the files"],
  [
    0x4,
    "it was not unmounted: its journal holds changes that are not in place yet",
    "Replay the journal, for example with: e2fsck -p IMAGE",
  ],
];

/**
 * Reads and checks the superblock.
 *
 * @throws {FastboopError} `corrupt`, or `unsupported` naming what is not read.
 */
export async function readSuperblock(reader: Reader): Promise<Ext4Superblock> {
  const action = `Read the ext4 superblock of ${reader.identity}`;
  if (reader.sizeBytes < SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES) {
    throw damaged(action, `the image has only ${reader.sizeBytes} bytes`);
  }
  const bytes = new Uint8Array(SUPERBLOCK_BYTES);
  await reader.readAt(SUPERBLOCK_OFFSET, bytes);
  const view = new DataView(bytes.buffer);
  const magic = view.getUint16(0x38, true);
  if (magic !== SUPERBLOCK_MAGIC) {
    throw damaged(action, `magic is 0x${magic.toString(16)}, must be 0xef53`);
  }
  const roCompat = view.getUint32(0x64, true);
  const checked = (roCompat & RO_COMPAT.METADATA_CSUM) !== 0;
  if (checked) verifyChecksum(action, view, bytes);
  refuseFeatures(action, view.getUint32(0x60, true));
  const superblock = parse(action, view, bytes, checked);
  if (superblock.blockCount * superblock.blockBytes > reader.sizeBytes) {
    const state = `it has ${superblock.blockCount} blocks of ${superblock.blockBytes} bytes, ` +
      `the image ends at ${reader.sizeBytes}`;
    throw damaged(action, state);
  }
  return superblock;
}

function verifyChecksum(action: string, view: DataView, bytes: Uint8Array): void {
  if (view.getUint8(0x175) !== CRC32C_TYPE) {
    throw damaged(action, `checksums are of type ${view.getUint8(0x175)}, only 1 is known`);
  }
  const computed = updateCrc32c(0xffffffff, bytes.subarray(0, CHECKSUM_OFFSET));
  if (computed !== view.getUint32(CHECKSUM_OFFSET, true)) {
    throw damaged(action, "its checksum is wrong");
  }
}

function refuseFeatures(action: string, incompat: number): void {
  const refused = REFUSED.find(([bit]) => incompat & bit);
  const unknown = (incompat & ~KNOWN_INCOMPAT) >>> 0;
  if (refused === undefined && unknown === 0) return;
  throw new FastboopError({
    kind: "unsupported",
    action,
    state: refused?.[1] ?? `it needs features 0x${unknown.toString(16)}, which are not known here`,
    hint: refused?.[2] ?? "Make the image with the default features of mke2fs",
  });
}

function parse(
  action: string,
  view: DataView,
  bytes: Uint8Array,
  checked: boolean,
): Ext4Superblock {
  const u32 = (offset: number) => view.getUint32(offset, true);
  const incompat = u32(0x60);
  const wide = (incompat & INCOMPAT.BIT64) !== 0;
  const blockBits = 10 + Math.min(u32(0x18), 32);
  if (blockBits > MAX_BLOCK_BITS) throw damaged(action, `the block size is 2^${blockBits} bytes`);
  const blockBytes = 2 ** blockBits;
  const clusterBits = u32(0x64) & BIGALLOC ? 10 + u32(0x1c) : blockBits;
  if (clusterBits < blockBits || clusterBits > MAX_CLUSTER_BITS) {
    throw damaged(action, `the cluster size is 2^${clusterBits} bytes`);
  }
  const dynamic = u32(0x4c) > 0;
  const seed = incompat & INCOMPAT.CSUM_SEED
    ? u32(0x270)
    : updateCrc32c(0xffffffff, bytes.subarray(0x68, 0x78));
  const blockCount = u32(0x04) + (wide ? u32(0x150) * 2 ** 32 : 0);
  const firstDataBlock = u32(0x14);
  const blocksPerGroup = u32(0x20);
  const superblock: Ext4Superblock = {
    blockBytes,
    clusterBytes: 2 ** clusterBits,
    blockCount,
    inodeCount: u32(0x00),
    firstDataBlock,
    blocksPerGroup,
    inodesPerGroup: u32(0x28),
    groupCount: Math.ceil((blockCount - firstDataBlock) / blocksPerGroup),
    inodeBytes: dynamic ? view.getUint16(0x58, true) : 128,
    descriptorBytes: wide ? view.getUint16(0xfe, true) : 32,
    compat: u32(0x5c),
    incompat,
    roCompat: u32(0x64),
    firstMetaGroup: incompat & INCOMPAT.META_BG ? u32(0x104) : Infinity,
    backupGroups: [u32(0x24c), u32(0x250)],
    checksumSeed: checked ? seed : undefined,
  };
  checkGeometry(action, superblock);
  return superblock;
}

function checkGeometry(action: string, superblock: Ext4Superblock): void {
  const { blockBytes, inodeBytes, descriptorBytes, inodesPerGroup, groupCount } = superblock;
  const powerOfTwo = (value: number) => value > 0 && (value & (value - 1)) === 0;
  const wrong = superblock.firstDataBlock > (blockBytes === 1024 ? 1 : 0)
    ? `the first data block is ${superblock.firstDataBlock}`
    // Under bigalloc a group has 8 clusters a byte of its bitmap, each of many blocks.
    : superblock.blocksPerGroup === 0
    ? "a group has no blocks"
    : inodesPerGroup === 0 || inodesPerGroup > blockBytes * 8
    ? `a group has ${inodesPerGroup} inodes`
    : !powerOfTwo(inodeBytes) || inodeBytes < 128 || inodeBytes > blockBytes
    ? `an inode has ${inodeBytes} bytes`
    : !powerOfTwo(descriptorBytes) || descriptorBytes < 32 || descriptorBytes > 1024
    ? `a group descriptor has ${descriptorBytes} bytes`
    : !(superblock.blockCount > superblock.firstDataBlock)
    ? `it has ${superblock.blockCount} blocks`
    : superblock.inodeCount > groupCount * inodesPerGroup
    ? `it has ${superblock.inodeCount} inodes, its groups ${groupCount * inodesPerGroup}`
    : undefined;
  if (wrong !== undefined) throw damaged(action, wrong);
}
