/**
 * What the modules export holds: exactly `usr/lib/modules/<release>/**` of an installation, owned by root,
 * folders 0755, files 0644, without the `build` and `source` links to the developer's machine, and with
 * the indexes that depmod did not write.
 *
 * The folders above the release are shown with that one child, because the image is laid over a root
 * file system: anything else in them would appear there.
 */
import { FastboopError } from "../errors/errors.ts";
import { compareUtf8 } from "../bytes/compare.ts";
import type { Entry, FileTree } from "../sources/file_tree.ts";
import { MemoryReader } from "../sources/memory.ts";
import type { Reader } from "../sources/reader.ts";

export interface ModulesTreeOptions {
  /** `usr/lib/modules/<release>`, as installModules() and readModuleIndex() name it. */
  directory: string;
  /** Files to add to that directory, by name: indexFiles(). They win over stored ones. */
  added?: ReadonlyMap<string, Uint8Array>;
}

/** kbuild links to the trees on the host. */
const DROPPED = new Set(["build", "source"]);

export class ModulesTree implements FileTree {
  readonly #inner: FileTree;
  readonly #directory: string;
  readonly #above: readonly string[];
  readonly #added: ReadonlyMap<string, Uint8Array>;

  /** Takes over `inner`: disposing of this disposes of it. */
  constructor(inner: FileTree, options: ModulesTreeOptions) {
    this.#inner = inner;
    this.#directory = options.directory;
    this.#above = options.directory.split("/");
    this.#added = options.added ?? new Map();
  }

  async stat(path: string): Promise<Entry | undefined> {
    const added = this.#addedAt(path);
    if (added) return addedEntry(added.name, added.bytes);
    if (this.#isAbove(path)) {
      const entry = await this.#inner.stat(path);
      return entry && plain(entry);
    }
    if (!this.#isShown(path)) return undefined;
    const entry = await this.#inner.stat(path);
    return entry && isKept(entry) ? plain(entry) : undefined;
  }

  async list(path: string): Promise<Entry[]> {
    if (this.#isAbove(path) && path !== this.#directory) {
      const depth = path === "" ? 0 : path.split("/").length;
      const child = await this.stat(this.#above.slice(0, depth + 1).join("/"));
      return child ? [child] : [];
    }
    const entries = this.#isShown(path) ? await this.#inner.list(path) : [];
    const atTop = path === this.#directory;
    const kept = entries.filter((entry) =>
      isKept(entry) && !(atTop && (DROPPED.has(entry.name) || this.#added.has(entry.name)))
    ).map(plain);
    if (!atTop || this.#added.size === 0) return kept;
    for (const [name, bytes] of this.#added) kept.push(addedEntry(name, bytes));
    return kept.sort((a, b) => compareUtf8(a.name, b.name));
  }

  async open(path: string, entry?: Entry): Promise<Reader> {
    const added = this.#addedAt(path);
    if (added) return new MemoryReader(added.bytes, `added:${added.name}`);
    if (this.#isShown(path)) return await this.#inner.open(path, entry);
    throw new FastboopError({
      kind: "not-found",
      action: `Open "${path}"`,
      state: "it is not part of the modules image",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  /** The root, `usr`, `usr/lib`, ... and the release's directory itself. */
  #isAbove(path: string): boolean {
    return path === "" || path === this.#directory || this.#directory.startsWith(`${path}/`);
  }

  #isShown(path: string): boolean {
    if (path === this.#directory) return true;
    if (!path.startsWith(`${this.#directory}/`)) return false;
    return !DROPPED.has(path.slice(this.#directory.length + 1).split("/")[0]!);
  }

  #addedAt(path: string): { name: string; bytes: Uint8Array } | undefined {
    if (!path.startsWith(`${this.#directory}/`)) return undefined;
    const name = path.slice(this.#directory.length + 1);
    const bytes = this.#added.get(name);
    return bytes && { name, bytes };
  }
}

/** Links, devices and the like have no business among modules. */
function isKept(entry: Entry): boolean {
  return entry.kind === "file" || entry.kind === "directory";
}

/**
 * The stamp stays, for the inner tree knows the entry by it. Owner, mode, links and times are the image's:
 * make installs with the time of the day, and the same tree shall give the same image.
 */
function plain(entry: Entry): Entry {
  return {
    name: entry.name,
    kind: entry.kind,
    mode: entry.kind === "directory" ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    sizeBytes: entry.sizeBytes,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
    ...(entry.stamp === undefined ? {} : { stamp: entry.stamp }),
  };
}

function addedEntry(name: string, bytes: Uint8Array): Entry {
  return {
    name,
    kind: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    sizeBytes: bytes.length,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
  };
}
