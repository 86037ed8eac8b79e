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

const PIECE_BYTES = 1 << 20;
/** A run of zeros of this size becomes a hole. */
const HOLE_BYTES = 64 << 10;
const MAX_ENTRIES = 4_000_000;
const MAX_PATH_BYTES = 4095;
/** Far beyond what file systems hold; Deno cannot say much more. */
const MAX_SECONDS = 2 ** 40;
/** Twice what comes in one message of the image's worker: one half is read while the other is written. */
const FILES_AT_ONCE = 64;
const DIRECTORIES_AT_ONCE = 4;

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

interface Directory extends Later {
  /** In the image. */
  readonly path: string;
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
  await extraction.run(path, entry, root);
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
  /** Directories that are there and still empty. */
  readonly #todo: Directory[] = [];
  readonly #copying = new Set<Promise<void>>();
  #failed: { error: unknown } | undefined;
  #entryCount = 0;

  constructor(tree: FileTree, options: ExtractOptions) {
    this.#tree = tree;
    this.#options = options;
  }

  async run(path: string, entry: Entry, target: string): Promise<void> {
    try {
      if (entry.kind === "directory") await this.#walk({ path, entry, target });
      else this.#add(path, entry, target);
    } finally {
      // Nothing may write any more when this has ended.
      await Promise.all(this.#copying);
    }
    if (this.#failed) throw this.#failed.error;
    this.#finish();
  }

  /** Several directories side by side: to list one is a round trip, too. */
  async #walk(root: Directory): Promise<void> {
    const walking = new Set<Promise<void>>();
    this.#todo.push(root);
    while (!this.#failed) {
      const next = walking.size < DIRECTORIES_AT_ONCE ? this.#todo.pop() : undefined;
      if (next !== undefined) this.#start(walking, this.#directory(next));
      else if (walking.size > 0) await Promise.race(walking);
      else break;
    }
    await Promise.all(walking);
  }

  async #directory({ path, entry, target }: Directory): Promise<void> {
    this.#directories.push({ target, entry });
    for (const child of await this.#tree.list(path)) {
      while (this.#copying.size >= FILES_AT_ONCE) await Promise.race(this.#copying);
      if (this.#failed) return;
      this.#add(path === "" ? child.name : `${path}/${child.name}`, child, target);
    }
  }

  /** Keeps `work` among what runs until it has ended. */
  #start(running: Set<Promise<void>>, work: Promise<void>): void {
    const ended: Promise<void> = work.catch((error) => {
      this.#failed ??= { error };
    }).finally(() => running.delete(ended));
    running.add(ended);
  }

  #add(path: string, entry: Entry, folder: string): void {
    const { name, kind, hardLinkKey } = entry;
    const { signal } = this.#options;
    if (signal.aborted) throw cancelled("Extract the image", signal);
    refuseName(name);
    const target = `${folder}/${name}`;
    // A character takes 3 bytes at most, for each 16 bits it has.
    const isTooLong = target.length * 3 > MAX_PATH_BYTES &&
      new TextEncoder().encode(target).length > MAX_PATH_BYTES;
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
      this.#todo.push({ path, entry, target });
      return;
    }
    if (kind === "symlink") this.#links.push({ target, entry });
    else if (kind !== "file" && !this.#node(entry, target)) return this.#leaveOut(`${kind}s`);
    if (hardLinkKey !== undefined) this.#firsts.set(hardLinkKey, target);
    if (kind === "file") this.#start(this.#copying, this.#file(path, entry, target));
    else this.#count(entry);
  }

  #count({ xattrs }: Entry): void {
    this.result.fileCount++;
    if (xattrs !== undefined) this.#leaveOut("sets of extended attributes");
    this.#options.onProgress?.(this.result.fileCount, this.result.bytes);
  }

  /** Links, then what would be in the way of writing: times and modes of directories, deepest first. */
  #finish(): void {
    for (const { target, entry } of this.#links) {
      const text = entry.linkTarget ?? "";
      attempt(target, () => Deno.symlinkSync(text, target));
      this.#own(target, entry);
      attempt(target, () => {
        // It would take what is before 1970 for now.
        const seconds = Math.max(0, secondsOf(entry));
        lutimesSync(target, seconds, seconds);
      });
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
    let end = 0;
    for (let at = 0; at < reader.sizeBytes; at += PIECE_BYTES) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, reader.sizeBytes - at));
      await reader.readAt(at, piece, { signal: this.#options.signal });
      end = attempt(target, () => writePiece(file, at, piece, end));
      this.result.bytes += piece.length;
    }
    attempt(target, () => {
      if (end < reader.sizeBytes) file.truncateSync(reader.sizeBytes);
    });
    this.#own(target, entry);
    this.#settle(target, entry);
    this.#count(entry);
  }

  #own(target: string, { uid, gid }: Entry): void {
    if (this.#options.isRoot) attempt(target, () => lchownSync(target, uid, gid));
    else this.#leaveOut("owners");
  }

  #leaveOut(what: string): void {
    this.result.leftOut.set(what, (this.result.leftOut.get(what) ?? 0) + 1);
  }
}

/** Writes all but holes; `end` is where `file` stands, and the result where it stands then. */
function writePiece(file: Deno.FsFile, at: number, piece: Uint8Array, end: number): number {
  for (let start = 0; start < piece.length; start += HOLE_BYTES) {
    const part = piece.subarray(start, start + HOLE_BYTES);
    if (isZero(part)) continue;
    if (end !== at + start) file.seekSync(at + start, Deno.SeekMode.Start);
    for (let done = 0; done < part.length;) done += file.writeSync(part.subarray(done));
    end = at + start + part.length;
  }
  return end;
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
  const seconds = mtimeSeconds + mtimeNanoseconds / 1e9;
  return Math.max(-MAX_SECONDS, Math.min(seconds, MAX_SECONDS));
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
