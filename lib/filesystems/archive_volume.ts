/**
 * The members of an archive as a tree: what tar, zip and cpio have in common.
 *
 * A later member of a path replaces an earlier one, as unpacking does; a directory keeps what is in it.
 * Directories nobody listed are made up. A parent that is a symbolic link is followed inside the tree. No
 * name leads out of it: members with `..` in their path are left out, absolute ones begin at the root.
 */
import { FastboopError } from "../errors/errors.ts";
import { archivePath } from "../images/archive_path.ts";
import type { EntryKind } from "../sources/file_tree.ts";
import type { Reader } from "../sources/reader.ts";
import { damaged } from "./damaged.ts";
import { addName, type ImageInode, type ImageVolume } from "./image_tree.ts";
import { NAME_LIMIT_BYTES, PATH_LIMIT_BYTES, XATTR_BYTES } from "./limits.ts";

/** What one archive may hold. */
export interface ArchiveLimits {
  /** Inodes, made-up directories and the root included. */
  readonly entryCount: number;
  /** Names, link targets and attributes of all members together. */
  readonly variableBytes: number;
}

/** One inode takes about 500 bytes of memory. */
const ARCHIVE_LIMITS: ArchiveLimits = { entryCount: 500_000, variableBytes: 128 << 20 };
/** Components of one path. */
const DEPTH = 64;
const LINK_HOPS = 32;
const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

/** One member, whatever the archive. */
export interface ArchiveMember {
  /** As stored, `/`-separated. */
  readonly path: string;
  /** A hard link is another name of the member at `linkTarget`. */
  readonly kind: EntryKind | "hard-link";
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  /** Bytes of a regular file. */
  readonly sizeBytes: number;
  readonly linkTarget?: string;
  readonly deviceMajor?: number;
  readonly deviceMinor?: number;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  /** Bytes of a regular file; the reader does not own the archive. */
  readonly open?: () => Promise<Reader>;
}

interface Node extends ImageInode {
  linkCount: number;
  /** Of a directory. */
  readonly children?: Map<string, number>;
  readonly linkTarget: string | undefined;
  readonly xattrs: ReadonlyMap<string, Uint8Array> | undefined;
  readonly open: (() => Promise<Reader>) | undefined;
}

const encoder = new TextEncoder();

/** An archive as inodes. It owns what it is given to dispose. */
export class ArchiveVolume implements ImageVolume<Node> {
  readonly identity: string;
  readonly rootRef = 0;
  readonly #action: string;
  readonly #archive: AsyncDisposable;
  readonly #nodes: Node[] = [];
  readonly #limits: ArchiveLimits;
  #variableBytes = 0;

  constructor(
    action: string,
    identity: string,
    archive: AsyncDisposable,
    limits: ArchiveLimits = ARCHIVE_LIMITS,
  ) {
    this.#limits = limits;
    this.#action = action;
    this.identity = identity;
    this.#archive = archive;
    this.#make(MADE_UP);
  }

  /**
   * Adds the next member.
   *
   * @throws {FastboopError} `corrupt` when a link or parent leads nowhere, `limit`.
   */
  add(member: ArchiveMember): void {
    const path = archivePath(member.path);
    if (path === undefined) return;
    this.#count(member);
    const cut = path.lastIndexOf("/");
    const parent = this.#parent(cut < 0 ? "" : path.slice(0, cut), path);
    const name = path.slice(cut + 1);
    if (name === "") {
      if (member.kind === "directory") this.#replace(0, member);
      return;
    }
    const old = parent.children!.get(name);
    if (member.kind === "hard-link") this.#link(parent, name, member);
    else if (member.kind === "directory" && old !== undefined && this.#nodes[old]!.children) {
      this.#replace(old, member);
    } else this.#name(parent, name, this.#make(member).ref);
  }

  inode(ref: number): Node {
    return this.#nodes[ref]!;
  }

  names(directory: Node): Promise<ReadonlyMap<string, number>> {
    return Promise.resolve(directory.children!);
  }

  linkTarget(link: Node): Promise<string> {
    return Promise.resolve(link.linkTarget!);
  }

  xattrs(inode: Node): ReadonlyMap<string, Uint8Array> {
    return inode.xattrs ?? NO_XATTRS;
  }

  open(file: Node): Promise<Reader> {
    return file.open!();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#archive[Symbol.asyncDispose]();
  }

  /** The directory at `path`, with those on the way that are missing. */
  #parent(path: string, of: string): Node {
    let trail = [this.#nodes[0]!];
    const todo = path.split("/").reverse();
    for (let hops = 0; todo.length > 0;) {
      const name = todo.pop()!;
      if (name === "" || name === ".") continue;
      if (name === "..") {
        if (trail.length > 1) trail.pop();
        continue;
      }
      const here = trail.at(-1)!;
      const ref = here.children!.get(name);
      const node = ref === undefined ? this.#make(MADE_UP) : this.#nodes[ref]!;
      if (ref === undefined) this.#name(here, name, node.ref);
      if (node.kind === "symlink") {
        if (++hops > LINK_HOPS) throw this.#broken(of, "too many links lead to its directory");
        if (node.linkTarget!.startsWith("/")) trail = [this.#nodes[0]!];
        todo.push(...node.linkTarget!.split("/").reverse());
        continue;
      }
      if (node.children === undefined) throw this.#broken(of, `"${name}" is no directory`);
      trail.push(node);
      if (trail.length > DEPTH) throw this.#limit(`"${of}" is deeper than ${DEPTH} directories`);
    }
    return trail.at(-1)!;
  }

  #link(parent: Node, name: string, member: ArchiveMember): void {
    const path = archivePath(member.linkTarget ?? "");
    const target = path === undefined || path === "" ? undefined : this.#find(path);
    if (target === undefined || target.children !== undefined) {
      throw this.#broken(member.path, `it links to "${member.linkTarget}", which is not there`);
    }
    if (parent.children!.get(name) === target.ref) return;
    target.linkCount++;
    this.#name(parent, name, target.ref);
  }

  #find(path: string): Node | undefined {
    const cut = path.lastIndexOf("/");
    const parent = this.#parent(cut < 0 ? "" : path.slice(0, cut), path);
    const ref = parent.children!.get(path.slice(cut + 1));
    return ref === undefined ? undefined : this.#nodes[ref];
  }

  #name(parent: Node, name: string, ref: number): void {
    const old = parent.children!.get(name);
    if (old !== undefined) {
      this.#nodes[old]!.linkCount--;
      parent.children!.delete(name);
    }
    addName(this.#action, parent.children!, name, ref);
  }

  #make(member: ArchiveMember): Node {
    const { entryCount } = this.#limits;
    if (this.#nodes.length >= entryCount) {
      throw this.#limit(`it has more than ${entryCount} members`);
    }
    const node = nodeOf(member, this.#nodes.length);
    this.#nodes.push(node);
    return node;
  }

  /** New attributes for a directory; what it holds stays. */
  #replace(ref: number, member: ArchiveMember): void {
    const { children } = this.#nodes[ref]!;
    this.#nodes[ref] = { ...nodeOf(member, ref), children: children! };
  }

  #count({ path, linkTarget = "", xattrs }: ArchiveMember): void {
    for (const [what, text] of [["path", path], ["link target", linkTarget]] as const) {
      if (text.includes("\0")) throw this.#broken(path, `its ${what} contains a NUL`);
      // Only text that may be too long is worth encoding.
      if (text.length * 3 > NAME_LIMIT_BYTES) this.#checkLengths(what, text);
      this.#variableBytes += text.length;
    }
    for (const [name, value] of xattrs ?? []) {
      this.#variableBytes += XATTR_BYTES + name.length + value.length;
    }
    const { variableBytes } = this.#limits;
    if (this.#variableBytes > variableBytes) {
      throw this.#limit(`its names and attributes take more than ${variableBytes} bytes`);
    }
  }

  #checkLengths(what: string, text: string): void {
    const sizeBytes = encoder.encode(text).length;
    if (sizeBytes > PATH_LIMIT_BYTES) {
      throw this.#limit(`a ${what} has ${sizeBytes} bytes, more than ${PATH_LIMIT_BYTES}`);
    }
    if (what !== "path" || sizeBytes <= NAME_LIMIT_BYTES) return;
    for (const part of text.split("/")) {
      if (encoder.encode(part).length > NAME_LIMIT_BYTES) {
        throw this.#limit(`a name is longer than ${NAME_LIMIT_BYTES} bytes`);
      }
    }
  }

  #broken(path: string, state: string): FastboopError {
    return damaged(this.#action, `member "${path.slice(0, 200)}": ${state}`);
  }

  #limit(state: string): FastboopError {
    return new FastboopError({ kind: "limit", action: this.#action, state });
  }
}

/** The root, and directories that are there because something is in them. */
const MADE_UP: ArchiveMember = {
  path: "",
  kind: "directory",
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtimeSeconds: 0,
  mtimeNanoseconds: 0,
  sizeBytes: 0,
};

function nodeOf(member: ArchiveMember, ref: number): Node {
  const { mode, uid, gid, mtimeSeconds, mtimeNanoseconds, linkTarget, xattrs, open } = member;
  const kind = member.kind as EntryKind;
  const { deviceMajor = 0, deviceMinor = 0 } = member;
  return {
    ref,
    kind,
    mode,
    uid,
    gid,
    mtimeSeconds,
    mtimeNanoseconds,
    sizeBytes: kind === "symlink" ? encoder.encode(linkTarget).length : member.sizeBytes,
    linkCount: 1,
    linkTarget,
    xattrs,
    open,
    ...(kind === "directory" ? { children: new Map() } : {}),
    ...(kind.endsWith("-device") ? { deviceMajor, deviceMinor } : {}),
  };
}
