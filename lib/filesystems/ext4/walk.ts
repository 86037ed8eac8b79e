/**
 * One walk over a tree: inodes are numbered, hard links joined, names collected.
 *
 * Directories are visited in preorder; a visited directory numbers all its children one after the other
 * before the walk goes down, so siblings share blocks of the inode table. The first path in this order
 * owns an inode with several links. The order depends on names alone, never on readdir.
 */
import { cancelled, FastboopError } from "../../errors/errors.ts";
import type { Entry, FileTree } from "../../sources/file_tree.ts";
import { NAME_LIMIT_BYTES, PATH_LIMIT_BYTES, type TreeLimits } from "../limits.ts";
import { Dirents } from "./dirents.ts";
import { FIRST_INODE, KINDS, LINK_MAX, ROOT_INODE } from "./format.ts";

/** One inode with its place in the image; the block numbers are set by the layout. */
export interface Ext4Inode {
  readonly number: number;
  /** Path of its first link. */
  readonly path: string;
  readonly entry: Entry;
  /** Links seen inside the tree. */
  links: number;
  readonly directory: Ext4Directory | undefined;
  /** First block of the run of data, directory or link text blocks; 0 when there is none. */
  startBlock: number;
  blockCount: number;
  /** First of the blocks that hold the extent tree, when four extents are not enough. */
  nodeBlock: number;
  xattrBlock: number;
}

/** What a directory inode has besides: its slice of the names. */
export interface Ext4Directory {
  readonly parentNumber: number;
  firstDirent: number;
  direntCount: number;
}

/** Result of the walk. */
export interface WalkedTree {
  /** Ascending by number: the root, then 11 and up without gaps. */
  readonly inodes: Ext4Inode[];
  /** Directory inodes in preorder. */
  readonly directories: Ext4Inode[];
  readonly dirents: Dirents;
}

/** Options of the walk. */
export interface WalkOptions {
  readonly limits: TreeLimits;
  readonly signal?: AbortSignal | undefined;
}

/** How long the walk may keep the event loop: a signal must be able to arrive. */
const YIELD_AFTER_MS = 50;

/** Walks `tree` once; throws `limit` beyond the limits and `corrupt` on names no tree may have. */
export async function walkTree(tree: FileTree, options: WalkOptions): Promise<WalkedTree> {
  const walk = new Walk(options.limits);
  const rootEntry = await tree.stat("");
  if (rootEntry?.kind !== "directory") {
    throw refuse("not-found", "Lay out the ext4 image", "the tree has no root directory");
  }
  const pending = [walk.addInode(ROOT_INODE, "", rootEntry, ROOT_INODE)];
  let yieldedAt = performance.now();
  for (let inode = pending.pop(); inode !== undefined; inode = pending.pop()) {
    const children = walk.addDirectory(inode, await tree.list(inode.path));
    for (let i = children.length - 1; i >= 0; i--) pending.push(children[i]!);
    if (performance.now() - yieldedAt > YIELD_AFTER_MS) {
      await new Promise((resolve) => setTimeout(resolve));
      yieldedAt = performance.now();
    }
    if (options.signal?.aborted) throw cancelled("Lay out the ext4 image", options.signal);
  }
  return walk;
}

class Walk implements WalkedTree {
  readonly inodes: Ext4Inode[] = [];
  readonly directories: Ext4Inode[] = [];
  readonly dirents = new Dirents();
  readonly #limits: TreeLimits;
  readonly #linked = new Map<string, Ext4Inode>();

  constructor(limits: TreeLimits) {
    this.#limits = limits;
  }

  addInode(number: number, path: string, entry: Entry, parentNumber: number): Ext4Inode {
    const isDirectory = entry.kind === "directory";
    checkEntry(path, entry);
    const inode: Ext4Inode = {
      number,
      path,
      entry,
      links: isDirectory ? 2 : 1,
      directory: isDirectory ? { parentNumber, firstDirent: 0, direntCount: 0 } : undefined,
      startBlock: 0,
      blockCount: 0,
      nodeBlock: 0,
      xattrBlock: 0,
    };
    this.inodes.push(inode);
    return inode;
  }

  /** Numbers the children of `inode` and returns the directories among them. */
  addDirectory(inode: Ext4Inode, entries: readonly Entry[]): Ext4Inode[] {
    const directory = inode.directory!;
    directory.firstDirent = this.dirents.count;
    directory.direntCount = entries.length;
    this.directories.push(inode);
    const action = `Lay out "${inode.path || "/"}"`;
    if (this.dirents.count + entries.length > this.#limits.entryCount) {
      const state = `the tree has more than ${this.#limits.entryCount} entries`;
      throw refuse("limit", action, state);
    }
    const directories: Ext4Inode[] = [];
    for (const entry of entries) {
      const child = this.#child(inode, entry);
      if (child.directory !== undefined) directories.push(child);
      this.#addName(entry.name, child, directory.firstDirent, action);
    }
    inode.links += directories.length;
    return directories;
  }

  #child(parent: Ext4Inode, entry: Entry): Ext4Inode {
    const key = entry.kind === "directory" ? undefined : entry.hardLinkKey;
    const known = key === undefined ? undefined : this.#linked.get(key);
    const path = parent.path === "" ? entry.name : `${parent.path}/${entry.name}`;
    if (known !== undefined && known.entry.kind === entry.kind) {
      if (++known.links > LINK_MAX) {
        throw refuse("limit", `Lay out "${path}"`, `it has more than ${LINK_MAX} hard links`);
      }
      return known;
    }
    const number = FIRST_INODE + this.inodes.length - 1;
    const inode = this.addInode(number, path, entry, parent.number);
    if (key !== undefined) this.#linked.set(key, inode);
    return inode;
  }

  #addName(name: string, child: Ext4Inode, firstDirent: number, action: string): void {
    const { dirents } = this;
    const index = dirents.count;
    const lengthBytes = dirents.add(name, child.number, KINDS[child.entry.kind].entryType);
    if (lengthBytes > NAME_LIMIT_BYTES) {
      const state = `the name "${name}" is longer than ${NAME_LIMIT_BYTES} bytes`;
      throw refuse("limit", action, state);
    }
    if (/^\.{0,2}$|[/\0]/.test(name) || !name.isWellFormed()) {
      throw refuse("corrupt", action, `${JSON.stringify(name)} cannot be a file name`);
    }
    if (index > firstDirent && !dirents.followsPrevious(index)) {
      throw refuse("corrupt", action, `the name "${name}" is there twice or out of order`);
    }
  }
}

function checkEntry(path: string, entry: Entry): void {
  const action = `Lay out "${path}"`;
  // A UTF-16 unit is at most three bytes, so short paths need no counting.
  if (path.length * 3 > PATH_LIMIT_BYTES) {
    if (new TextEncoder().encode(path).length > PATH_LIMIT_BYTES) {
      throw refuse("limit", action, `the path is longer than ${PATH_LIMIT_BYTES} bytes`);
    }
  }
  if (!Number.isSafeInteger(entry.sizeBytes) || entry.sizeBytes < 0) {
    throw refuse("corrupt", action, `its size is ${entry.sizeBytes}`);
  }
}

function refuse(
  kind: "limit" | "corrupt" | "not-found",
  action: string,
  state: string,
): FastboopError {
  return new FastboopError({ kind, action, state });
}
