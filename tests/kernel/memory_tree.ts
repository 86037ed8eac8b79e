/** Files in memory as a FileTree, for tests of what walks one. */
import { compareUtf8 } from "../../lib/bytes/compare.ts";
import type { Entry, FileTree } from "../../lib/sources/file_tree.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import type { Reader } from "../../lib/sources/reader.ts";

export class MemoryTree implements FileTree {
  readonly #files = new Map<string, Uint8Array>();
  readonly #links: ReadonlySet<string>;

  constructor(files: Record<string, string | Uint8Array>, links: readonly string[] = []) {
    for (const [path, content] of Object.entries(files)) {
      this.#files.set(
        path,
        typeof content === "string" ? new TextEncoder().encode(content) : content,
      );
    }
    this.#links = new Set(links);
    for (const link of links) this.#files.set(link, new Uint8Array());
  }

  stat(path: string): Promise<Entry | undefined> {
    return Promise.resolve(this.#entry(path));
  }

  list(path: string): Promise<Entry[]> {
    const prefix = path === "" ? "" : `${path}/`;
    const names = new Set<string>();
    for (const file of this.#files.keys()) {
      if (file.startsWith(prefix)) names.add(file.slice(prefix.length).split("/")[0]!);
    }
    return Promise.resolve(
      [...names].sort(compareUtf8).map((name) => this.#entry(prefix + name)!),
    );
  }

  open(path: string): Promise<Reader> {
    return Promise.resolve(new MemoryReader(this.#files.get(path)!, path));
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #entry(path: string): Entry | undefined {
    const bytes = this.#files.get(path);
    const isFolder = path === "" || [...this.#files.keys()].some((f) => f.startsWith(`${path}/`));
    if (!bytes && !isFolder) return undefined;
    return {
      name: path.slice(path.lastIndexOf("/") + 1),
      kind: !bytes ? "directory" : this.#links.has(path) ? "symlink" : "file",
      mode: 0o600,
      uid: 1000,
      gid: 1000,
      sizeBytes: bytes?.length ?? 0,
      mtimeSeconds: 1,
      mtimeNanoseconds: 2,
    };
  }
}
