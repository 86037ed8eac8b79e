/**
 * A tree of unknown origin -> files in a new or empty directory, and nowhere else.
 *
 * Invariants: nothing is opened, linked or changed through a link of the image: there is none until every file
 * and directory is in place, and names are single components. Each file is created anew, an existing one is
 * an error. Directories are private until the end; modes, owners and times come last, deepest first.
 */
import { lchownSync, lutimesSync } from "node:fs";
import { printable } from "../bytes/printable.ts";
import { cancelled, FastboopError } from "../errors/errors.ts";
import type { Entry, FileTree } from "../sources/file_tree.ts";
import type { MakeNode } from "./make_node.ts";
import type { Reader } from "../sources/reader.ts";

const PIECE_BYTES = 1 << 20;
/** A run of zeros of this size becomes a hole. */
const HOLE_BYTES = 64 << 10;
const MAX_ENTRIES = 4_000_000;
const MAX_PATH_BYTES = 4095;
/** Files copied side by side: each is a few round trips to the image's worker. */
const FILES_AT_ONCE = 16;

export interface ExtractOptions {
  readonly signal: AbortSignal;
  readonly isRoot: boolean;
  /** Makes devices, FIFOs and sockets, where that can be done. */
  readonly makeNode?: MakeNode;
  onProgress?: (fileCount: number, bytes: number) => void;
}

export interface Extracted {
  fileCount: number;
  bytes: number;
  /** What was left out, with how many of it. */
  readonly leftOut: Map<string, number>;
}

/** What is put off until every file is in place. */
interface Later {
  readonly target: string;
  readonly entry: Entry;
}

/**
 * Copies what lies at `path` of `tree`: a directory's content into `folder`, anything else under its name.
 *
 * @throws {FastboopError} `usage` when `folder` has something in it, `corrupt` for names no file can have,
 * `limit`, `source` when writing fails, `cancelled`; what was written stays.
 */
export async function extractTree(
  tree: FileTree,
  path: string,
  entry: Entry,
  folder: string,
  options: ExtractOptions,
): Promise<Extracted> {
  const extraction = new Extraction(tree, options);
  const root = prepareFolder(folder);
  if (entry.kind === "directory") {
    await extraction.directory(path, entry, root);
  } else await extraction.add(path, entry, root);
  extraction.finish();
  return extraction.result;
}

/** The real path of a directory that is empty now. */
function prepareFolder(folder: string): string {
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const _ of Deno.readDirSync(folder)) {
      throw new FastboopError({
        kind: "usage",
        action: `Extract into "${printable(folder)}"`,
        state: "the directory is not empty",
        hint: "Name a directory that is empty or not there yet",
      });
    }
    return Deno.realPathSync(folder);
  } catch (error) {
    throw translate(folder, error);
  }
}

class Extraction {
  readonly result: Extracted = { fileCount: 0, bytes: 0, leftOut: new Map() };
  readonly #tree: FileTree;
  readonly #options: ExtractOptions;
  readonly #links: Later[] = [];
  readonly #directories: Later[] = [];
  readonly #hardLinks: { target: string; first: string }[] = [];
  /** The first file of each inode with several names. */
  readonly #firsts = new Map<string, string>();
  #entryCount = 0;

  constructor(tree: FileTree, options: ExtractOptions) {
    this.#tree = tree;
    this.#options = options;
  }

  async directory(path: string, entry: Entry, target: string): Promise<void> {
    this.#directories.push({ target, entry });
    const files = new Set<Promise<void>>();
    let failed: { error: unknown } | undefined;
    try {
      for (const child of await this.#tree.list(path)) {
        const adding = this.add(path === "" ? child.name : `${path}/${child.name}`, child, target);
        if (child.kind !== "file") await adding;
        else {
          const file = adding.catch((error) => {
            failed ??= { error };
          }).finally(() => files.delete(file));
          files.add(file);
          if (files.size === FILES_AT_ONCE) await Promise.race(files);
        }
        if (failed) break;
      }
    } finally {
      // Nothing may write any more when this has ended.
      await Promise.all(files);
    }
    if (failed) throw failed.error;
  }

  async add(path: string, entry: Entry, folder: string): Promise<void> {
    const { name, kind, hardLinkKey } = entry;
    const { signal, onProgress } = this.#options;
    if (signal.aborted) throw cancelled("Extract the image", signal);
    refuseName(name);
    const target = `${folder}/${name}`;
    const isTooLong = new TextEncoder().encode(target).length > MAX_PATH_BYTES;
    if (isTooLong || ++this.#entryCount > MAX_ENTRIES) {
      const state = isTooLong ? "its directories are too deep" : "it has too many names";
      throw new FastboopError({ kind: "limit", action: "Extract the image", state });
    }
    const first = hardLinkKey === undefined ? undefined : this.#firsts.get(hardLinkKey);
    if (first !== undefined) {
      this.#hardLinks.push({ target, first });
      return;
    }
    if (kind === "directory") {
      attempt(target, () => Deno.mkdirSync(target, { mode: 0o700 }));
      return await this.directory(path, entry, target);
    }
    if (kind === "symlink") this.#links.push({ target, entry });
    else if (kind !== "file" && !this.#node(entry, target)) return this.#leaveOut(`${kind}s`);
    if (hardLinkKey !== undefined) this.#firsts.set(hardLinkKey, target);
    if (kind === "file") await this.#file(path, entry, target);
    this.result.fileCount++;
    if (entry.xattrs !== undefined) this.#leaveOut("sets of extended attributes");
    onProgress?.(this.result.fileCount, this.result.bytes);
  }

  /** Links, then what would be in the way of writing: times and modes of directories, deepest first. */
  finish(): void {
    for (const { target, entry } of this.#links) {
      const text = entry.linkTarget ?? "";
      attempt(target, () => Deno.symlinkSync(text, target));
      this.#own(target, entry);
      attempt(target, () => lutimesSync(target, secondsOf(entry), secondsOf(entry)));
    }
    for (const { target, first } of this.#hardLinks) {
      attempt(target, () => Deno.linkSync(first, target));
    }
    for (const { target, entry } of this.#directories.reverse()) {
      this.#own(target, entry);
      this.#settle(target, entry);
    }
  }

  #node(entry: Entry, target: string): boolean {
    if (this.#options.makeNode?.(target, entry) !== true) return false;
    this.#own(target, entry);
    this.#settle(target, entry);
    return true;
  }

  /** The mode and the times of what is no link. */
  #settle(target: string, entry: Entry): void {
    // A program of the image's must not run with the rights of whoever unpacks it.
    const setsId = (entry.mode & 0o6000) !== 0 && entry.kind === "file" && !this.#options.isRoot;
    if (setsId) this.#leaveOut("set-user-ID and set-group-ID bits");
    attempt(target, () => {
      Deno.chmodSync(target, setsId ? entry.mode & 0o1777 : entry.mode);
      Deno.utimeSync(target, secondsOf(entry), secondsOf(entry));
    });
  }

  async #file(path: string, entry: Entry, target: string): Promise<void> {
    await using reader = await this.#tree.open(path, entry);
    // O_EXCL: follows no link and replaces nothing.
    using file = attempt(target, () => {
      return Deno.openSync(target, { write: true, createNew: true, mode: 0o600 });
    });
    for (let at = 0; at < reader.sizeBytes; at += PIECE_BYTES) {
      await this.#piece(reader, file, at, target);
    }
    attempt(target, () => file.truncateSync(reader.sizeBytes));
    this.#own(target, entry);
    this.#settle(target, entry);
  }

  async #piece(reader: Reader, file: Deno.FsFile, at: number, target: string): Promise<void> {
    const { signal } = this.#options;
    const piece = new Uint8Array(Math.min(PIECE_BYTES, reader.sizeBytes - at));
    await reader.readAt(at, piece, { signal });
    for (let start = 0; start < piece.length; start += HOLE_BYTES) {
      const part = piece.subarray(start, start + HOLE_BYTES);
      if (isZero(part)) continue;
      attempt(target, () => {
        file.seekSync(at + start, Deno.SeekMode.Start);
        for (let done = 0; done < part.length;) done += file.writeSync(part.subarray(done));
      });
    }
    this.result.bytes += piece.length;
  }

  #own(target: string, { uid, gid }: Entry): void {
    if (this.#options.isRoot) attempt(target, () => lchownSync(target, uid, gid));
    else this.#leaveOut("owners");
  }

  #leaveOut(what: string): void {
    this.result.leftOut.set(what, (this.result.leftOut.get(what) ?? 0) + 1);
  }
}

/** A name is one component; a reader of ours gives no other, but this is where it would matter. */
function refuseName(name: string): void {
  if (name !== "" && name !== "." && name !== ".." && !/[/\\\0]/.test(name)) return;
  if (Deno.build.os !== "windows" && /^[^/\0]*\\[^/\0]*$/.test(name)) return;
  throw new FastboopError({
    kind: "corrupt",
    action: "Extract the image",
    state: `"${printable(name)}" is no name of a file`,
  });
}

function secondsOf({ mtimeSeconds, mtimeNanoseconds }: Entry): number {
  return mtimeSeconds + mtimeNanoseconds / 1e9;
}

function isZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

function attempt<T>(target: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw translate(target, error);
  }
}

function translate(target: string, error: unknown): FastboopError {
  if (error instanceof FastboopError) return error;
  const isDenied = error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable;
  const message = error instanceof Error ? error.message : String(error);
  return new FastboopError({
    kind: isDenied ? "permission" : "source",
    action: `Write "${printable(target)}"`,
    state: printable(message),
    cause: error,
  });
}
