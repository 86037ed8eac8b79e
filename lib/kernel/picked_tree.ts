/** Files picked from other trees or memory, laid out anew: what `modules pack` writes. */
import { FastboopError } from "../errors/errors.ts";
import type { Entry, FileTree } from "../sources/file_tree.ts";
import { MemoryReader } from "../sources/memory.ts";
import type { Reader } from "../sources/reader.ts";
import { sortNames } from "../sources/sort_names.ts";

/** Where a picked file's bytes are. */
export type PickedSource =
  | { readonly bytes: Uint8Array }
  | { readonly tree: FileTree; readonly path: string; readonly entry: Entry };

interface Picked {
  readonly entry: Entry;
  readonly source?: PickedSource;
}

/** Owned by root, folders 0755, files 0644, without times. The trees picked from stay the caller's. */
export class PickedTree implements FileTree {
  readonly #nodes = new Map<string, Picked>([["", { entry: entryOf("", "directory") }]]);
  readonly #children = new Map<string, Set<string>>([["", new Set()]]);

  /**
   * Adds a file or link with the folders above it; a second one at its path replaces the first.
   *
   * @throws {FastboopError} `tree` when a folder would have to be where a file is, or the reverse.
   */
  add(path: string, source: PickedSource): void {
    const from = "entry" in source ? source.entry : undefined;
    const isLink = from?.kind === "symlink";
    const sizeBytes = "bytes" in source ? source.bytes.length : source.entry.sizeBytes;
    const entry: Entry = {
      ...entryOf(path, isLink ? "symlink" : "file"),
      sizeBytes,
      ...(from?.linkTarget === undefined ? {} : { linkTarget: from.linkTarget }),
      ...(from?.stamp === undefined ? {} : { stamp: from.stamp }),
    };
    if (this.#children.has(path)) throw clash(path);
    this.#addFolder(parentOf(path));
    this.#children.get(parentOf(path))!.add(entry.name);
    this.#nodes.set(path, { entry, source });
  }

  stat(path: string): Promise<Entry | undefined> {
    return Promise.resolve(this.#nodes.get(path)?.entry);
  }

  list(path: string): Promise<Entry[]> {
    const prefix = path === "" ? "" : `${path}/`;
    const names = sortNames([...this.#children.get(path) ?? []]);
    return Promise.resolve(names.map((name) => this.#nodes.get(prefix + name)!.entry));
  }

  async open(path: string): Promise<Reader> {
    const source = this.#nodes.get(path)?.source;
    if (source === undefined) {
      const state = "there is no such file";
      throw new FastboopError({ kind: "not-found", action: `Open "${path}"`, state });
    }
    if ("bytes" in source) return new MemoryReader(source.bytes, `picked:${path}`);
    return await source.tree.open(source.path, source.entry);
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #addFolder(path: string): void {
    if (this.#children.has(path)) return;
    if (this.#nodes.has(path)) throw clash(path);
    this.#addFolder(parentOf(path));
    this.#children.set(path, new Set());
    const entry = entryOf(path, "directory");
    this.#children.get(parentOf(path))!.add(entry.name);
    this.#nodes.set(path, { entry });
  }
}

const parentOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf("/"), 0));

function entryOf(path: string, kind: "file" | "directory" | "symlink"): Entry {
  return {
    name: path.slice(path.lastIndexOf("/") + 1),
    kind,
    mode: kind === "directory" ? 0o755 : kind === "file" ? 0o644 : 0o777,
    uid: 0,
    gid: 0,
    sizeBytes: 0,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
  };
}

function clash(path: string): FastboopError {
  return new FastboopError({
    kind: "tree",
    action: `Pack "${path}"`,
    state: "it is a folder and a file at once",
  });
}
