/**
 * The FileTree of a file system image: paths, links and listings above the inodes that each format
 * reads in its own way.
 *
 * `stat` and `list` follow no link, not even in the middle of a path. `open` follows them inside the
 * tree: an absolute target starts at the tree's root, `..` at the root stays there.
 */
import { FastboopError } from "../errors/errors.ts";
import type { Entry, FileTree } from "../sources/file_tree.ts";
import type { Reader } from "../sources/reader.ts";
import { sortNames } from "../sources/sort_names.ts";
import type { Answer } from "./answer.ts";
import { damaged } from "./damaged.ts";
import { DIRECTORY_NAMES, LISTED_BYTES, XATTR_BYTES } from "./limits.ts";
import { SortedNames } from "./sorted_names.ts";

/** Links one `open` follows before it gives up; the kernel allows 40. */
const LINK_HOPS = 32;
/** Parsed directories kept, by number of names; one larger than this is kept alone. */
const CACHED_NAMES = 64 * 1024;
/** Inodes read at a time when a directory is listed. */
const LISTED_AT_ONCE = 16;

/** What every format knows of an inode; `sizeBytes` of a directory is its own. */
export interface ImageInode extends InodeEntry {
  /** The number that names the inode in its volume. */
  readonly ref: number;
  readonly linkCount: number;
}

/** What of an entry its inode tells. */
type InodeEntry = Pick<
  Entry,
  | "kind"
  | "mode"
  | "uid"
  | "gid"
  | "sizeBytes"
  | "mtimeSeconds"
  | "mtimeNanoseconds"
  | "deviceMajor"
  | "deviceMinor"
>;

/** Names of a directory without `.` and `..`, with the inode each stands for. */
export type DirectoryNames = ReadonlyMap<string, number> | SortedNames;

/** A file system as its inodes. */
export interface ImageVolume<Inode extends ImageInode> extends AsyncDisposable {
  /** The image's own identity. */
  readonly identity: string;
  readonly rootRef: number;
  inode(ref: number): Answer<Inode>;
  names(directory: Inode): Promise<DirectoryNames>;
  /** The inode of a name in what `names` gave, for formats that compare otherwise than byte by byte. */
  find?(names: DirectoryNames, name: string): number | undefined;
  linkTarget(link: Inode): Promise<string>;
  xattrs(inode: Inode): Answer<ReadonlyMap<string, Uint8Array>>;
  /** Bytes of a regular file. */
  open(file: Inode): Answer<Reader>;
}

/** A FileTree over a volume; it owns the volume. */
export class ImageTree<Inode extends ImageInode> implements FileTree {
  readonly #volume: ImageVolume<Inode>;
  /** In order of use, oldest first. */
  readonly #directories = new Map<number, DirectoryNames>();
  #cachedNames = 0;

  constructor(volume: ImageVolume<Inode>) {
    this.#volume = volume;
  }

  async stat(path: string): Promise<Entry | undefined> {
    const inode = await this.#find(path);
    return inode && await this.#entry(path.slice(path.lastIndexOf("/") + 1), inode);
  }

  async list(path: string): Promise<Entry[]> {
    const inode = await this.#find(path);
    if (inode?.kind !== "directory") {
      throw missing(`List "${path}" of ${this.#volume.identity}`, "there is no such directory");
    }
    const { names, refs } = sorted(await this.#names(inode));
    const entries: Entry[] = [];
    let listedBytes = 0;
    for (let first = 0; first < names.length; first += LISTED_AT_ONCE) {
      const part = names.slice(first, first + LISTED_AT_ONCE);
      const listed = all(part, (name, i) => this.#listed(name, refs[first + i]!));
      const some = listed instanceof Promise ? await listed : listed;
      for (const entry of some) listedBytes += variableBytes(entry);
      if (listedBytes > LISTED_BYTES) {
        const state = `its links and attributes take more than ${LISTED_BYTES} bytes`;
        throw new FastboopError({ kind: "limit", action: `List "${path}"`, state });
      }
      entries.push(...some);
    }
    return entries;
  }

  async open(path: string, entry?: Entry): Promise<Reader> {
    const action = () => `Open "${path}" of ${this.#volume.identity}`;
    // An image does not change, so the inode that was listed is the file.
    const found = entry?.stamp instanceof InodeStamp && entry.stamp.volume === this.#volume
      ? this.#volume.inode(entry.stamp.ref)
      : this.#follow(action, path);
    const inode = found instanceof Promise ? await found : found;
    if (inode === undefined) throw missing(action(), "there is no such file");
    if (inode.kind !== "file") {
      const state = `it is a ${inode.kind}, not a regular file`;
      throw new FastboopError({ kind: "unsupported", action: action(), state });
    }
    const opened = this.#volume.open(inode);
    return opened instanceof Promise ? await opened : opened;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#directories.clear();
    await this.#volume[Symbol.asyncDispose]();
  }

  /** The inode at `path`; no link is followed. */
  async #find(path: string): Promise<Inode | undefined> {
    let inode = await this.#volume.inode(this.#volume.rootRef);
    for (const name of path === "" ? [] : path.split("/")) {
      if (inode.kind !== "directory") return undefined;
      const ref = this.#lookUp(await this.#names(inode), name);
      if (ref === undefined) return undefined;
      inode = await this.#volume.inode(ref);
    }
    return inode;
  }

  /** The inode at `path`, links followed. */
  async #follow(action: () => string, path: string): Promise<Inode | undefined> {
    const root = await this.#volume.inode(this.#volume.rootRef);
    let trail = [root];
    const todo = path.split("/").reverse();
    for (let hops = 0; todo.length > 0;) {
      const name = todo.pop()!;
      const here = trail.at(-1)!;
      if (here.kind !== "directory") return undefined;
      if (name === "" || name === ".") continue;
      if (name === "..") {
        if (trail.length > 1) trail.pop();
        continue;
      }
      const ref = this.#lookUp(await this.#names(here), name);
      if (ref === undefined) return undefined;
      const inode = await this.#volume.inode(ref);
      if (inode.kind !== "symlink") {
        trail.push(inode);
        continue;
      }
      if (++hops > LINK_HOPS) {
        const state = `more than ${LINK_HOPS} symbolic links follow each other`;
        throw new FastboopError({ kind: "limit", action: action(), state });
      }
      const target = await this.#volume.linkTarget(inode);
      if (target.startsWith("/")) trail = [root];
      todo.push(...target.split("/").reverse());
    }
    return trail.at(-1);
  }

  #lookUp(names: DirectoryNames, name: string): number | undefined {
    return this.#volume.find ? this.#volume.find(names, name) : names.get(name);
  }

  async #names(directory: Inode): Promise<DirectoryNames> {
    const cached = this.#directories.get(directory.ref);
    if (cached !== undefined) {
      this.#directories.delete(directory.ref);
      this.#directories.set(directory.ref, cached);
      return cached;
    }
    const names = await this.#volume.names(directory);
    if (this.#directories.has(directory.ref)) return names;
    this.#directories.set(directory.ref, names);
    this.#cachedNames += names.size;
    for (const [ref, oldest] of this.#directories) {
      if (this.#cachedNames <= CACHED_NAMES || ref === directory.ref) break;
      this.#directories.delete(ref);
      this.#cachedNames -= oldest.size;
    }
    return names;
  }

  #listed(name: string, ref: number): Answer<Entry> {
    const inode = this.#volume.inode(ref);
    return inode instanceof Promise
      ? inode.then((read) => this.#entry(name, read))
      : this.#entry(name, inode);
  }

  #entry(name: string, inode: Inode): Answer<Entry> {
    const { kind, mode, uid, gid, mtimeSeconds, mtimeNanoseconds } = inode;
    const entry: Filled<Entry> = {
      name,
      kind,
      mode,
      uid,
      gid,
      sizeBytes: kind === "file" || kind === "symlink" ? inode.sizeBytes : 0,
      mtimeSeconds,
      mtimeNanoseconds,
      stamp: new InodeStamp(this.#volume, inode.ref),
    };
    if (inode.deviceMajor !== undefined) entry.deviceMajor = inode.deviceMajor;
    if (inode.deviceMinor !== undefined) entry.deviceMinor = inode.deviceMinor;
    if (inode.linkCount > 1 && kind !== "directory") entry.hardLinkKey = String(inode.ref);
    if (kind === "symlink") return this.#link(entry, inode);
    const xattrs = this.#volume.xattrs(inode);
    return xattrs instanceof Promise
      ? xattrs.then((read) => withXattrs(entry, read))
      : withXattrs(entry, xattrs);
  }

  async #link(entry: Filled<Entry>, inode: Inode): Promise<Entry> {
    entry.linkTarget = await this.#volume.linkTarget(inode);
    return withXattrs(entry, await this.#volume.xattrs(inode));
  }
}

/** An object while it is being made. */
type Filled<T> = { -readonly [Key in keyof T]: T[Key] };

function withXattrs(entry: Filled<Entry>, xattrs: ReadonlyMap<string, Uint8Array>): Entry {
  if (xattrs.size > 0) entry.xattrs = xattrs;
  return entry;
}

function sorted(names: DirectoryNames): SortedNames {
  if (names instanceof SortedNames) return names;
  const inOrder = sortNames([...names.keys()]);
  return new SortedNames(inOrder, inOrder.map((name) => names.get(name)!));
}

/** The answers in order; where all are there, nobody waits. */
function all<T, U>(items: readonly T[], ask: (item: T, index: number) => Answer<U>): Answer<U[]> {
  const answers = items.map((item, index) => {
    try {
      return ask(item, index);
    } catch (error) {
      // The others are still to be waited for.
      return Promise.reject(error);
    }
  });
  return answers.some((answer) => answer instanceof Promise)
    ? Promise.all(answers)
    : answers as U[];
}

/** Which inode an entry was made of. */
class InodeStamp {
  readonly volume: unknown;
  readonly ref: number;

  constructor(volume: unknown, ref: number) {
    this.volume = volume;
    this.ref = ref;
  }
}

/**
 * Adds a name to a directory being read.
 *
 * @throws {FastboopError} `corrupt` when the directory has it already: a tree with two meanings of one
 * path cannot be checked and then used; `limit` when it has too many.
 */
export function addName(
  action: string,
  names: Map<string, number>,
  name: string,
  ref: number,
): void {
  const { size } = names;
  names.set(name, ref);
  if (names.size === size) throw damaged(action, `the name "${name}" occurs twice`);
  checkNameCount(action, size);
}

/** @throws {FastboopError} `limit` when a directory with `count` names gets another and has too many. */
export function checkNameCount(action: string, count: number): void {
  if (count < DIRECTORY_NAMES) return;
  const state = `it has more than ${DIRECTORY_NAMES} names`;
  throw new FastboopError({ kind: "limit", action, state });
}

/** What of an entry has no fixed size, its name aside. */
function variableBytes({ linkTarget, xattrs }: Entry): number {
  let sizeBytes = linkTarget?.length ?? 0;
  for (const [name, value] of xattrs ?? []) {
    sizeBytes += XATTR_BYTES + name.length + value.length;
  }
  return sizeBytes;
}

function missing(action: string, state: string): FastboopError {
  return new FastboopError({ kind: "not-found", action, state });
}
