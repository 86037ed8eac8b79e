/**
 * The modules directory of a build as `make modules_install` would leave it, pointing into the build:
 * `usr/lib/modules/<release>/**`, owned by root, folders 0755, files 0644, all times 0. Debug information
 * is left out while a module is read.
 *
 * A file that was built anew since it was planned fails with `source` for good; it is never shown half old,
 * half new.
 */
import { FastboopError } from "../../errors/errors.ts";
import { compareUtf8 } from "../../bytes/compare.ts";
import { DescriptorCache } from "../../sources/descriptor_cache.ts";
import type { Entry, FileTree } from "../../sources/file_tree.ts";
import { MemoryReader } from "../../sources/memory.ts";
import { PinnedReader } from "../../sources/pinned_reader.ts";
import type { Reader } from "../../sources/reader.ts";
import type { NativeFile } from "./native_file.ts";
import { planStrip } from "./strip_plan.ts";
import { StrippedReader } from "./stripped_reader.ts";

export class NativeModulesTree implements FileTree {
  readonly #files = new Map<string, NativeFile>();
  readonly #folders = new Map<string, Entry[]>();
  /** One pass over all modules comes first, and nothing else happens meanwhile. */
  #descriptors = new DescriptorCache({ blockingReads: true });

  /** `files` by path below `directory`, which is `usr/lib/modules/<release>`. */
  constructor(directory: string, files: ReadonlyMap<string, NativeFile>) {
    this.#folder(directory);
    for (const [path, file] of files) {
      const full = `${directory}/${path}`;
      const slash = full.lastIndexOf("/");
      this.#files.set(full, file);
      this.#folder(full.slice(0, slash)).push(fileEntry(full.slice(slash + 1), file));
    }
    for (const entries of this.#folders.values()) {
      entries.sort((a, b) => compareUtf8(a.name, b.name));
    }
  }

  /** From here on reads leave the thread to others: for serving. Readers that are open stay as they are. */
  readInBackground(): void {
    this.#descriptors.close();
    this.#descriptors = new DescriptorCache();
  }

  stat(path: string): Promise<Entry | undefined> {
    return Promise.resolve(this.#entry(path));
  }

  list(path: string): Promise<Entry[]> {
    const entries = this.#folders.get(path);
    if (entries !== undefined) return Promise.resolve([...entries]);
    const action = `List "${path}" of the modules`;
    const state = "there is no such directory";
    return Promise.reject(new FastboopError({ kind: "not-found", action, state }));
  }

  async open(path: string): Promise<Reader> {
    const file = this.#files.get(path);
    if (file === undefined) {
      const action = `Open "${path}" of the modules`;
      throw new FastboopError({ kind: "not-found", action, state: "there is no such file" });
    }
    if (file.kind === "bytes") return new MemoryReader(file.bytes, path);
    const source = new PinnedReader(file.hostPath, file.stamp, this.#descriptors);
    if (!file.isStripped) return source;
    const parser = planStrip(source.sizeBytes, path);
    let step = parser.next();
    while (!step.done) {
      const bytes = new Uint8Array(step.value.sizeBytes);
      await source.readAt(step.value.offsetBytes, bytes);
      step = parser.next(bytes);
    }
    if (step.value?.sizeBytes === file.sizeBytes) return new StrippedReader(source, step.value);
    throw new FastboopError({
      kind: "source",
      action: `Open "${file.hostPath}"`,
      state: "its headers changed since it was listed",
      hint: "Let nothing write to the tree meanwhile, then start again",
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#descriptors.close();
    return Promise.resolve();
  }

  #entry(path: string): Entry | undefined {
    const file = this.#files.get(path);
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (file !== undefined) return fileEntry(name, file);
    return this.#folders.has(path) ? plainEntry(name, "directory", 0) : undefined;
  }

  /** The entries of a folder, which is made with all above it when it is new. */
  #folder(path: string): Entry[] {
    const known = this.#folders.get(path);
    if (known !== undefined) return known;
    const entries: Entry[] = [];
    this.#folders.set(path, entries);
    if (path !== "") {
      const slash = path.lastIndexOf("/");
      this.#folder(path.slice(0, Math.max(slash, 0)))
        .push(plainEntry(path.slice(slash + 1), "directory", 0));
    }
    return entries;
  }
}

function fileEntry(name: string, file: NativeFile): Entry {
  const sizeBytes = file.kind === "bytes" ? file.bytes.length : file.sizeBytes;
  const entry = plainEntry(name, "file", sizeBytes);
  return file.kind === "bytes" ? entry : { ...entry, stamp: file.stamp };
}

function plainEntry(name: string, kind: "file" | "directory", sizeBytes: number): Entry {
  return {
    name,
    kind,
    mode: kind === "directory" ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    sizeBytes,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
  };
}
