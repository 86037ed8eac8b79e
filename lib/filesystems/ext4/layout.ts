/**
 * Where everything of an ext4 image lies, from one walk over the tree.
 *
 * After the layout every byte of the image is a function of this table and of the files' data: the
 * metadata never depends on the tree again. Nothing is written and no file is opened.
 *
 * The profile: 4096-byte blocks, no journal, no free space, metadata checksums, extents, hash trees
 * above eight blocks, all metadata at the front, read-only feature set. It mounts from Linux 4.0 on.
 */
import { updateCrc32c } from "../../bytes/crc32c.ts";
import { FastboopError } from "../../errors/errors.ts";
import type { FileTree } from "../../sources/file_tree.ts";
import { PATH_LIMIT_BYTES, TREE_LIMITS, type TreeLimits } from "../limits.ts";
import type { AttributeOptions, Owner, Timestamps } from "./attributes.ts";
import { type DirectoryPlan, planDirectory } from "./directory_plan.ts";
import type { Dirents } from "./dirents.ts";
import { extentNodeCount } from "./extents.ts";
import { BLOCK_BYTES, FAST_SYMLINK_BYTES } from "./format.ts";
import { computeGeometry, type Geometry } from "./geometry.ts";
import { nameImage } from "./manifest.ts";
import { type Ext4Inode, walkTree } from "./walk.ts";
import { type EncodedXattrs, encodeXattrs } from "./xattrs.ts";

/** Options of an image. */
export interface Ext4Options {
  /** Volume label, at most 16 bytes of UTF-8; none by default. */
  label?: string;
  /** `source` by default. */
  timestamps?: Timestamps;
  /** `root` by default. */
  owner?: Owner;
  limits?: TreeLimits;
  signal?: AbortSignal | undefined;
}

/** A planned image. */
export interface Ext4Layout extends AttributeOptions {
  readonly tree: FileTree;
  readonly label: Uint8Array;
  readonly uuid: Uint8Array;
  readonly identity: string;
  /** Start value of all checksums but the superblock's. */
  readonly checksumSeed: number;
  readonly geometry: Geometry;
  readonly dirents: Dirents;
  /** Ascending by number: index 0 is the root (2), index i is inode 10 + i. */
  readonly inodes: readonly Ext4Inode[];
  /** Directories in preorder, which is the order of their blocks. */
  readonly directories: readonly Ext4Inode[];
  /** Plan of each directory by inode. */
  readonly plans: ReadonlyMap<Ext4Inode, DirectoryPlan>;
  readonly xattrs: ReadonlyMap<Ext4Inode, EncodedXattrs>;
  readonly linkTexts: ReadonlyMap<Ext4Inode, Uint8Array>;
  /** Owners of link text, extent and attribute blocks, one for each block from `treeBlock` on. */
  readonly treeBlockOwners: readonly Ext4Inode[];
  readonly treeBlock: number;
  /** Files that have data, ascending by first block. */
  readonly files: readonly Ext4Inode[];
  readonly hasHashTrees: boolean;
  readonly directoriesPerGroup: Uint32Array;
  readonly sizeBytes: number;
}

const LABEL_LIMIT_BYTES = 16;

/**
 * Plans the image of `tree`.
 *
 * @throws {FastboopError} `limit`, `usage` for the label, and whatever the tree throws.
 */
export async function layoutExt4(tree: FileTree, options: Ext4Options = {}): Promise<Ext4Layout> {
  const limits = options.limits ?? TREE_LIMITS;
  const attributes = {
    timestamps: options.timestamps ?? "source",
    owner: options.owner ?? "root",
  } as const;
  const label = encodeLabel(options.label ?? "");
  const walked = await walkTree(tree, { limits, signal: options.signal });
  const { inodes, directories, dirents } = walked;
  const plans = new Map(directories.map((inode) => {
    const { firstDirent, direntCount } = inode.directory!;
    return [inode, planDirectory(dirents, firstDirent, direntCount)];
  }));
  const details = planDetails(inodes, plans);
  const geometry = computeGeometry({
    lastInode: inodes.at(-1)!.number,
    treeBlocks: details.directoryBlocks + details.owners.length,
    fileBlocks: details.fileBlocks,
  });
  const sizeBytes = geometry.blockCount * BLOCK_BYTES;
  if (sizeBytes > limits.imageBytes) {
    throw new FastboopError({
      kind: "limit",
      action: "Lay out the ext4 image",
      state: `it would have ${sizeBytes} bytes, ${limits.imageBytes} are allowed`,
    });
  }
  const treeBlock = geometry.directories + details.directoryBlocks;
  const files = placeBlocks(directories, inodes, details.owners, geometry);
  const { uuid, identity } = await nameImage(walked, label, attributes);
  return {
    ...attributes,
    tree,
    label,
    uuid,
    identity,
    checksumSeed: updateCrc32c(0xffffffff, uuid),
    geometry,
    dirents,
    inodes,
    directories,
    plans,
    xattrs: details.xattrs,
    linkTexts: details.linkTexts,
    treeBlockOwners: details.owners,
    treeBlock,
    files,
    hasHashTrees: details.hasHashTrees,
    directoriesPerGroup: countDirectories(directories, geometry),
    sizeBytes,
  };
}

function countDirectories(directories: readonly Ext4Inode[], geometry: Geometry): Uint32Array {
  const counts = new Uint32Array(geometry.groupCount);
  for (const { number } of directories) {
    const group = Math.floor((number - 1) / geometry.inodesPerGroup);
    counts[group] = counts[group]! + 1;
  }
  return counts;
}

function encodeLabel(label: string): Uint8Array {
  const bytes = new TextEncoder().encode(label);
  if (bytes.length <= LABEL_LIMIT_BYTES && !label.includes("\0")) return bytes;
  throw new FastboopError({
    kind: "usage",
    action: "Lay out the ext4 image",
    state: `the label "${label}" has ${bytes.length} bytes, ${LABEL_LIMIT_BYTES} are possible`,
  });
}

interface Details {
  readonly xattrs: Map<Ext4Inode, EncodedXattrs>;
  readonly linkTexts: Map<Ext4Inode, Uint8Array>;
  /** Owner of each link text, extent and attribute block. */
  readonly owners: Ext4Inode[];
  directoryBlocks: number;
  fileBlocks: number;
  hasHashTrees: boolean;
}

/** Counts the blocks of every inode. */
function planDetails(
  inodes: readonly Ext4Inode[],
  plans: ReadonlyMap<Ext4Inode, DirectoryPlan>,
): Details {
  const details: Details = {
    xattrs: new Map(),
    linkTexts: new Map(),
    owners: [],
    directoryBlocks: 0,
    fileBlocks: 0,
    hasHashTrees: false,
  };
  for (const inode of inodes) {
    const { entry, path } = inode;
    if (entry.kind === "directory") {
      const plan = plans.get(inode)!;
      inode.blockCount = plan.blockCount;
      details.directoryBlocks += plan.blockCount;
      if (plan.hashed !== undefined) details.hasHashTrees = true;
    } else if (entry.kind === "file") {
      inode.blockCount = Math.ceil(entry.sizeBytes / BLOCK_BYTES);
      details.fileBlocks += inode.blockCount;
    } else if (entry.kind === "symlink") {
      const text = encodeLinkText(inode);
      details.linkTexts.set(inode, text);
      if (text.length > FAST_SYMLINK_BYTES) {
        inode.blockCount = 1;
        details.owners.push(inode);
      }
    }
    for (let i = extentNodeCount(inode.blockCount); i > 0; i--) details.owners.push(inode);
    const xattrs = entry.xattrs && encodeXattrs(path, entry.xattrs);
    if (xattrs === undefined) continue;
    details.xattrs.set(inode, xattrs);
    if (xattrs.place === "block") details.owners.push(inode);
  }
  return details;
}

function encodeLinkText({ path, entry }: Ext4Inode): Uint8Array {
  const text = new TextEncoder().encode(entry.linkTarget ?? "");
  if (text.length > 0 && text.length <= PATH_LIMIT_BYTES && !text.includes(0)) return text;
  throw new FastboopError({
    kind: "limit",
    action: `Lay out "${path}"`,
    state:
      `its target has ${text.length} bytes, a symlink has 1 to ${PATH_LIMIT_BYTES} without NUL`,
  });
}

/** Gives every inode its block numbers and returns the files that have data. */
function placeBlocks(
  directories: readonly Ext4Inode[],
  inodes: readonly Ext4Inode[],
  owners: readonly Ext4Inode[],
  geometry: Geometry,
): Ext4Inode[] {
  let block = geometry.directories;
  for (const inode of directories) {
    inode.startBlock = block;
    block += inode.blockCount;
  }
  placeTreeBlocks(owners, block);
  block = geometry.data;
  const files = inodes.filter(({ entry, blockCount }) => entry.kind === "file" && blockCount > 0);
  for (const inode of files) {
    inode.startBlock = block;
    block += inode.blockCount;
  }
  return files;
}

/** Each owner's blocks come in the order link text, extent nodes, attributes. */
function placeTreeBlocks(owners: readonly Ext4Inode[], firstBlock: number): void {
  for (let i = 0; i < owners.length;) {
    const inode = owners[i]!;
    const begin = i;
    while (i < owners.length && owners[i] === inode) i++;
    let block = firstBlock + begin;
    if (inode.entry.kind === "symlink" && inode.blockCount > 0) inode.startBlock = block++;
    const nodes = extentNodeCount(inode.blockCount);
    if (nodes > 0) inode.nodeBlock = block;
    block += nodes;
    if (block < firstBlock + i) inode.xattrBlock = block;
  }
}
