/**
 * A host directory as a FileTree.
 *
 * Listing is synchronous inside: measured on module trees that is 3 to 20 times faster than every
 * asynchronous form. Symlinks are never followed, not even in the middle of a path, and there is no "..",
 * so the tree cannot be left; only the path of the root itself is resolved. Names that are not valid UTF-8 are refused,
 * since Deno can neither show nor open them.
 */
import { FastboopError } from "../errors/errors.ts";
import { DescriptorCache, type FileStamp, stampOf } from "./descriptor_cache.ts";
import type { Entry, EntryKind, FileTree } from "./file_tree.ts";
import { PinnedReader } from "./pinned_reader.ts";
import { sortNames } from "./sort_names.ts";
import type { Reader } from "./reader.ts";
import type { ReadXattrs } from "./xattr.ts";

/** Options of a DirectoryTree. */
export interface DirectoryTreeOptions {
  /** Extended attributes, from `openXattrs`; left out by default. */
  readXattrs?: ReadXattrs | undefined;
  /** For programs which only copy: see DescriptorCacheOptions. */
  blockingReads?: boolean;
}

const REPLACEMENT_CHARACTER = "\ufffd";
const UPWARDS = /(?:^|\/)\.\.(?:\/|$)/;

/** A directory of this machine. */
export class DirectoryTree implements FileTree {
  /** Resolved absolute path of the root, without a trailing slash. */
  readonly rootPath: string;
  readonly #readXattrs: ReadXattrs | undefined;
  readonly #descriptors: DescriptorCache;
  /** Paths that were seen to be directories and not links to some. */
  readonly #directories = new Set<string>([""]);

  /** @throws {FastboopError} `not-found`, `permission`, or `usage` when it is not a directory. */
  constructor(path: string, options: DirectoryTreeOptions = {}) {
    const action = `Open directory "${path}"`;
    try {
      const resolved = Deno.realPathSync(path);
      this.rootPath = resolved === "/" ? "" : resolved;
      if (!Deno.lstatSync(resolved).isDirectory) {
        throw new FastboopError({ kind: "usage", action, state: "it is not a directory" });
      }
    } catch (error) {
      throw translate(action, error);
    }
    this.#readXattrs = options.readXattrs;
    this.#descriptors = new DescriptorCache({ blockingReads: options.blockingReads ?? false });
  }

  stat(path: string): Promise<Entry | undefined> {
    return attempt(() => this.#stat(path));
  }

  list(path: string): Promise<Entry[]> {
    return attempt(() => this.#list(path));
  }

  open(path: string, entry?: Entry): Promise<Reader> {
    return attempt(() => {
      const pinned = entry ?? this.#stat(path);
      const action = `Open "${this.#absolute(path)}"`;
      if (pinned === undefined) {
        throw new FastboopError({ kind: "not-found", action, state: "there is no such file" });
      }
      if (pinned.kind !== "file") {
        const state = `it is a ${pinned.kind}, not a regular file`;
        throw new FastboopError({ kind: "unsupported", action, state });
      }
      return new PinnedReader(this.#absolute(path), pinned.stamp as FileStamp, this.#descriptors);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#descriptors.close();
    return Promise.resolve();
  }

  #absolute(path: string): string {
    return path === "" ? this.rootPath || "/" : `${this.rootPath}/${path}`;
  }

  #stat(path: string): Entry | undefined {
    if (UPWARDS.test(path)) return undefined;
    const slash = path.lastIndexOf("/");
    if (slash >= 0 && !this.#isDirectory(path.slice(0, slash))) return undefined;
    const absolute = this.#absolute(path);
    try {
      return this.#entry(absolute, path.slice(slash + 1));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
        return undefined;
      }
      throw translate(`Look at "${absolute}"`, error);
    }
  }

  /** Whether no part of the path is a link and the last is a directory. */
  #isDirectory(path: string): boolean {
    if (this.#directories.has(path)) return true;
    const isDirectory = this.#stat(path)?.kind === "directory";
    if (isDirectory) this.#directories.add(path);
    return isDirectory;
  }

  #list(path: string): Entry[] {
    const absolute = this.#absolute(path);
    const action = `List "${absolute}"`;
    if (!this.#isDirectory(path)) {
      throw new FastboopError({ kind: "not-found", action, state: "there is no such directory" });
    }
    try {
      const names: string[] = [];
      for (const { name } of Deno.readDirSync(absolute)) names.push(name);
      sortNames(names);
      const prefix = path === "" ? "" : `${path}/`;
      return names.map((name, index) => {
        if (name === names[index - 1]) throw notUtf8(absolute, name);
        const entry = this.#listedEntry(absolute, name);
        if (entry.kind === "directory") this.#directories.add(prefix + name);
        return entry;
      });
    } catch (error) {
      throw translate(action, error);
    }
  }

  #listedEntry(parent: string, name: string): Entry {
    try {
      return this.#entry(`${parent}/${name}`, name);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      if (name.includes(REPLACEMENT_CHARACTER)) throw notUtf8(parent, name);
      throw new FastboopError({
        kind: "source",
        action: `List "${parent}"`,
        state: `"${name}" vanished meanwhile`,
        hint: "Let nothing write to the tree meanwhile, then start again",
        cause: error,
      });
    }
  }

  #entry(absolute: string, name: string): Entry {
    const info = Deno.lstatSync(absolute);
    const kind = kindOf(info);
    const mtimeMs = info.mtime?.getTime() ?? 0;
    const mtimeSeconds = Math.floor(mtimeMs / 1000);
    const entry: { -readonly [Key in keyof Entry]: Entry[Key] } = {
      name,
      kind,
      mode: (info.mode ?? 0o644) & 0o7777,
      uid: info.uid ?? 0,
      gid: info.gid ?? 0,
      sizeBytes: kind === "file" ? info.size : 0,
      mtimeSeconds,
      mtimeNanoseconds: (mtimeMs - mtimeSeconds * 1000) * 1_000_000,
    };
    if (kind === "file") entry.stamp = stampOf(info);
    else if (kind === "symlink") {
      entry.linkTarget = Deno.readLinkSync(absolute);
      entry.sizeBytes = new TextEncoder().encode(entry.linkTarget).length;
    } else if (kind === "character-device" || kind === "block-device") {
      // The encoding of new_encode_dev(), include/linux/kdev_t.h.
      const device = info.rdev ?? 0;
      entry.deviceMajor = (device >>> 8) & 0xfff;
      entry.deviceMinor = (device & 0xff) | ((device >>> 12) & 0xfff00);
    }
    if ((info.nlink ?? 1) > 1 && kind !== "directory") {
      entry.hardLinkKey = `${info.dev}:${info.ino}`;
    }
    const xattrs = this.#readXattrs?.(absolute);
    if (xattrs !== undefined) entry.xattrs = xattrs;
    return entry;
  }
}

function kindOf(info: Deno.FileInfo): EntryKind {
  if (info.isFile) return "file";
  if (info.isDirectory) return "directory";
  if (info.isSymlink) return "symlink";
  if (info.isCharDevice) return "character-device";
  if (info.isBlockDevice) return "block-device";
  if (info.isFifo) return "fifo";
  return "socket";
}

function notUtf8(parent: string, name: string): FastboopError {
  return new FastboopError({
    kind: "unsupported",
    action: `List "${parent}"`,
    state: `the name shown as "${name}" is not valid UTF-8`,
    hint: "Rename it",
  });
}

/** Runs a synchronous step; what it throws becomes a rejection. */
function attempt<Result>(step: () => Result): Promise<Result> {
  try {
    return Promise.resolve(step());
  } catch (error) {
    return Promise.reject(error);
  }
}

function translate(action: string, error: unknown): FastboopError {
  if (error instanceof FastboopError) return error;
  const denied = error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable;
  const kind = denied
    ? "permission"
    : error instanceof Deno.errors.NotFound
    ? "not-found"
    : error instanceof Deno.errors.InvalidData
    ? "unsupported"
    : "source";
  const state = error instanceof Error ? error.message : String(error);
  return new FastboopError({ kind, action, state, cause: error });
}
