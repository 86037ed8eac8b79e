/**
 * Sizes and places of the metadata, from three sums over the tree.
 *
 *     block 0            superblock
 *     1 ..               group descriptors
 *     blockBitmaps ..    one block per group
 *     inodeBitmaps ..    one block per group
 *     inodeTable ..      tables of all groups, one after the other
 *     directories ..     then link text, extent and attribute blocks
 *     data ..            file data
 */
import { FastboopError } from "../../errors/errors.ts";
import {
  BLOCK_BYTES,
  BLOCKS_PER_GROUP,
  DESCRIPTOR_BYTES,
  FIRST_INODE,
  INODES_PER_BLOCK,
} from "./format.ts";

/** Block numbers and counts. */
export interface Geometry {
  readonly groupCount: number;
  readonly inodesPerGroup: number;
  /** Highest inode in use; all below count as used. */
  readonly lastInode: number;
  readonly descriptorBlocks: number;
  readonly blockBitmaps: number;
  readonly inodeBitmaps: number;
  readonly inodeTable: number;
  /** First block behind superblock, descriptors, bitmaps and tables, which statfs calls the overhead. */
  readonly directories: number;
  readonly data: number;
  /** First block behind everything that is used. */
  readonly used: number;
  readonly blockCount: number;
}

/** What the image has to hold. */
export interface GeometryInput {
  readonly lastInode: number;
  /** Directory, link text, extent and attribute blocks. */
  readonly treeBlocks: number;
  readonly fileBlocks: number;
}

/** Smallest image for `input`; it needs more groups only when it has more blocks or inodes. */
export function computeGeometry(input: GeometryInput): Geometry {
  const lastInode = Math.max(FIRST_INODE - 1, input.lastInode);
  for (let groupCount = 1;;) {
    const perGroup = Math.ceil(lastInode / groupCount / INODES_PER_BLOCK) * INODES_PER_BLOCK;
    const inodesPerGroup = Math.max(INODES_PER_BLOCK, perGroup);
    const descriptorBlocks = Math.ceil(groupCount * DESCRIPTOR_BYTES / BLOCK_BYTES);
    const blockBitmaps = 1 + descriptorBlocks;
    const inodeTable = blockBitmaps + 2 * groupCount;
    const directories = inodeTable + groupCount * inodesPerGroup / INODES_PER_BLOCK;
    const data = directories + input.treeBlocks;
    const used = data + input.fileBlocks;
    const wanted = Math.max(
      Math.ceil(used / BLOCKS_PER_GROUP),
      Math.ceil(lastInode / BLOCKS_PER_GROUP),
    );
    if (wanted > groupCount) {
      groupCount = wanted;
      continue;
    }
    const blockCount = Math.max(used, (groupCount - 1) * BLOCKS_PER_GROUP + 1);
    if (blockCount >= 2 ** 32) {
      throw new FastboopError({
        kind: "limit",
        action: "Lay out the ext4 image",
        state: `${blockCount} blocks are more than 32 bits can number`,
      });
    }
    return {
      groupCount,
      inodesPerGroup,
      lastInode,
      descriptorBlocks,
      blockBitmaps,
      inodeBitmaps: blockBitmaps + groupCount,
      inodeTable,
      directories,
      data,
      used,
      blockCount,
    };
  }
}
