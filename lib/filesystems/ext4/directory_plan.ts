/**
 * Which names go to which block of a directory: in order while few blocks do, else a hash tree.
 *
 * A hash tree's leaves are filled to the brim in order of (hash, minor hash, name), since nothing is
 * ever inserted. Blocks: the root, then inner nodes if any, then the leaves.
 * Source: Documentation/filesystems/ext4/directory.rst.
 */
import { FastboopError } from "../../errors/errors.ts";
import type { Dirents } from "./dirents.ts";
import { DOTS_BYTES, LEAF_BYTES, LINEAR_BLOCKS, NODE_SLOTS, ROOT_SLOTS } from "./format.ts";
import { halfMd4 } from "./half_md4.ts";

/** Blocks of one directory. */
export interface DirectoryPlan {
  readonly blockCount: number;
  /** For each leaf the position (in `order`, else in the directory's names) of its first name. */
  readonly leafStarts: readonly number[];
  readonly hashed: HashedPlan | undefined;
}

/** What a hash tree has besides. */
export interface HashedPlan {
  /** Indexes into the directory's names by hash. */
  readonly order: Uint32Array;
  /** Key of each leaf: the hash of its first name, with bit 0 set when that hash began in the leaf before. */
  readonly leafKeys: Uint32Array;
  /** Inner nodes between the root and the leaves; 0 when the root points at the leaves. */
  readonly nodeCount: number;
}

const ONE_LEAF: readonly number[] = [0];
/** Names per directory: an index shares a float64 with 31 bits of hash while sorting. */
const NAMES_LIMIT = 2 ** 22;

/** Length of an entry with a name of that many bytes. */
export function direntBytes(nameLength: number): number {
  return (nameLength + 11) & ~3;
}

/** Plans the directory whose names are `count` dirents from `first` on. */
export function planDirectory(dirents: Dirents, first: number, count: number): DirectoryPlan {
  const linear = fillLeaves(count, DOTS_BYTES, (i) => dirents.nameLength(first + i));
  if (linear.length <= LINEAR_BLOCKS) {
    return {
      blockCount: linear.length,
      leafStarts: linear.length === 1 ? ONE_LEAF : linear,
      hashed: undefined,
    };
  }
  return planHashed(dirents, first, count);
}

/** First name of each leaf when every leaf takes as many names as fit. */
function fillLeaves(
  count: number,
  firstLeafUsedBytes: number,
  nameLength: (position: number) => number,
): number[] {
  const starts = [0];
  let usedBytes = firstLeafUsedBytes;
  for (let i = 0; i < count; i++) {
    const entryBytes = direntBytes(nameLength(i));
    if (usedBytes + entryBytes > LEAF_BYTES) {
      starts.push(i);
      usedBytes = 0;
    }
    usedBytes += entryBytes;
  }
  return starts;
}

function planHashed(dirents: Dirents, first: number, count: number): DirectoryPlan {
  const { order, hashes } = sortByHash(dirents, first, count);
  const leafStarts = fillLeaves(count, 0, (i) => dirents.nameLength(first + order[i]!));
  const leafKeys = Uint32Array.from(leafStarts, (start, leaf) => {
    const hash = hashes[order[start]!]!;
    const continues = leaf > 0 && hashes[order[start - 1]!] === hash;
    return continues ? (hash | 1) >>> 0 : hash;
  });
  const leafCount = leafStarts.length;
  const nodeCount = leafCount <= ROOT_SLOTS ? 0 : Math.ceil(leafCount / NODE_SLOTS);
  if (nodeCount > ROOT_SLOTS) throw tooManyNames(count);
  return {
    blockCount: 1 + nodeCount + leafCount,
    leafStarts,
    hashed: { order, leafKeys, nodeCount },
  };
}

function sortByHash(dirents: Dirents, first: number, count: number) {
  if (count > NAMES_LIMIT) throw tooManyNames(count);
  const hashes = new Uint32Array(count);
  const minors = new Uint32Array(count);
  // Hashes are even, so 31 bits of hash and 22 of index sort as plain numbers, without a callback.
  const keys = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const { hash, minor } = halfMd4(dirents.name(first + i));
    hashes[i] = hash;
    minors[i] = minor;
    keys[i] = (hash >>> 1) * NAMES_LIMIT + i;
  }
  keys.sort();
  const order = Uint32Array.from(keys, (key) => key % NAMES_LIMIT);
  // Names are ascending already, so equal hashes are only to be ordered by minor hash, stably.
  for (let start = 0; start < count;) {
    let end = start + 1;
    while (end < count && hashes[order[end]!] === hashes[order[start]!]) end++;
    if (end - start > 1) {
      order.subarray(start, end).sort((a, b) => minors[a]! - minors[b]! || a - b);
    }
    start = end;
  }
  return { order, hashes };
}

function tooManyNames(count: number): FastboopError {
  return new FastboopError({
    kind: "limit",
    action: "Lay out a directory",
    state: `${count} names are more than a two-level hash tree holds`,
  });
}
