/**
 * A tree shown at a path inside an otherwise empty one, with the owner and modes of an installed system.
 *
 * The modules image is made of it: the host's `<tmp>/lib/modules/<release>` appears at
 * `usr/lib/modules/<release>`, owned by root, without the `build` and `source` links into the host.
 * Extended attributes are left out, since a host's security labels mean nothing on the phone.
 */
import { FastboopError } from "../errors/errors.ts";
import type { Entry, FileTree } from "../sources/file_tree.ts";
import type { Reader } from "../sources/reader.ts";

/** Where and how a tree is shown. */
export interface PlacedTreeOptions {
  /** Path of the tree's root in the new tree: `usr/lib/modules/6.12.0`. */
  readonly at: string;
  /** Paths below the tree's root that are not shown: `build`. */
  readonly leaveOut?: readonly string[];
  /** Permission bits of every directory; 0o755 by default. */
  readonly directoryMode?: number;
  /** Permission bits of everything else but symlinks; 0o644 by default. */
  readonly fileMode?: number;
}

/** See the header. Closing it closes the tree inside. */
export class PlacedTree implements FileTree {
  readonly #tree: FileTree;
  readonly #at: string;
  readonly #leaveOut: ReadonlySet<string>;
  readonly #directoryMode: number;
  readonly #fileMode: number;

  constructor(tree: FileTree, options: PlacedTreeOptions) {
    if (!/^[^/]+(\/[^/]+)*$/.test(options.at) || /(^|\/)\.{1,2}(\/|$)/.test(options.at)) {
      throw new FastboopError({
        kind: "usage",
        action: `Place a tree at "${options.at}"`,
        state: "it is not a relative path",
      });
    }
    this.#tree = tree;
    this.#at = options.at;
    this.#leaveOut = new Set(options.leaveOut ?? []);
    this.#directoryMode = options.directoryMode ?? 0o755;
    this.#fileMode = options.fileMode ?? 0o644;
  }

  async stat(path: string): Promise<Entry | undefined> {
    if (this.#isAbove(path)) return await this.#aboveEntry(path);
    const inner = this.#innerPath(path);
    if (inner === undefined) return undefined;
    const entry = await this.#tree.stat(inner);
    if (entry === undefined) return undefined;
    return this.#installed(inner === "" ? { ...entry, name: lastName(path) } : entry);
  }

  async list(path: string): Promise<Entry[]> {
    if (this.#isAbove(path)) {
      const rest = path === "" ? this.#at : this.#at.slice(path.length + 1);
      const name = rest.split("/", 1)[0]!;
      const child = await this.stat(path === "" ? name : `${path}/${name}`);
      return child === undefined ? [] : [child];
    }
    const inner = this.#innerPath(path);
    if (inner === undefined) throw notThere(`List "${path}"`);
    const entries = await this.#tree.list(inner);
    const prefix = inner === "" ? "" : `${inner}/`;
    const shown = this.#leaveOut.size === 0
      ? entries
      : entries.filter(({ name }) => !this.#leaveOut.has(prefix + name));
    return shown.map((entry) => this.#installed(entry));
  }

  async open(path: string, entry?: Entry): Promise<Reader> {
    const inner = this.#innerPath(path);
    if (inner === undefined) throw notThere(`Open "${path}"`);
    return await this.#tree.open(inner, entry);
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#tree[Symbol.asyncDispose]();
  }

  /** Whether `path` is a directory on the way to the tree. */
  #isAbove(path: string): boolean {
    return path === "" || this.#at.startsWith(`${path}/`);
  }

  /** The path in the tree inside, unless it is elsewhere or left out. */
  #innerPath(path: string): string | undefined {
    if (path === this.#at) return "";
    if (!path.startsWith(`${this.#at}/`)) return undefined;
    const inner = path.slice(this.#at.length + 1);
    if (this.#leaveOut.size > 0) {
      const names = inner.split("/");
      const above = names.map((_, i) => names.slice(0, i + 1).join("/"));
      if (above.some((part) => this.#leaveOut.has(part))) return undefined;
    }
    return inner;
  }

  /** A directory on the way has the times of the tree's root. */
  async #aboveEntry(path: string): Promise<Entry | undefined> {
    const root = await this.#tree.stat("");
    return root && this.#installed({ ...root, name: lastName(path) });
  }

  #installed(entry: Entry): Entry {
    const mode = entry.kind === "directory"
      ? this.#directoryMode
      : entry.kind === "symlink"
      ? 0o777
      : this.#fileMode;
    const installed = { ...entry, mode, uid: 0, gid: 0 };
    if (installed.xattrs !== undefined) delete installed.xattrs;
    return installed;
  }
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function notThere(action: string): FastboopError {
  return new FastboopError({ kind: "not-found", action, state: "it is not in the tree" });
}
