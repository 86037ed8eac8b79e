/**
 * A regular file or block device as a Reader.
 *
 * The open file keeps the inode: replacing the file by rename is harmless, writing into it is noticed by
 * size and modification time, and then every further read fails: a half-old image is never served.
 * Blind spot: a rewrite of the same size within the millisecond of the noted time (Deno gives no more digits).
 */
import { cancelled, FastboopError } from "../errors/errors.ts";
import { printable } from "../bytes/printable.ts";
import { checkBounds } from "./bounds.ts";
import type { Reader, ReadOptions } from "./reader.ts";
import { Semaphore } from "./semaphore.ts";

/** Reads up to this are made at once: going through a thread takes longer than they do. */
const SYNC_BYTES = 256 << 10;
/** A read that took longer waited for a disk. */
const SLOW_MS = 5;
/** Then as many go through threads, side by side, before another is tried. */
const THREADED_READS = 16;
/** Reads at once let no timer and no Ctrl-C in: after this long one goes through a thread. */
const TURN_MS = 200;
/** Reads in threads at a time; each has a file of its own, which stays open for the next one. */
const PARALLEL = 8;

/**
 * Opens a file or block device for reading.
 *
 * @throws {FastboopError} `not-found`, `permission`, or `unsupported` for a directory, FIFO, socket
 * or character device.
 */
export async function openFile(path: string): Promise<Reader> {
  const action = `Open "${printable(path)}"`;
  try {
    // Opening a FIFO waits for a writer and opening some device nodes has effects: look first.
    refuseOtherKinds(action, await Deno.stat(path));
    const realPath = await Deno.realPath(path);
    const file = await Deno.open(realPath);
    try {
      const stats = file.statSync();
      refuseOtherKinds(action, stats);
      // stat says 0 for a block device; the end of seeking is its size.
      const sizeBytes = stats.isBlockDevice ? file.seekSync(0, Deno.SeekMode.End) : stats.size;
      return new FileReader(file, realPath, sizeBytes, stats);
    } catch (error) {
      file.close();
      throw error;
    }
  } catch (error) {
    throw translate(action, error);
  }
}

class FileReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #file: Deno.FsFile;
  readonly #path: string;
  readonly #stats: Deno.FileInfo;
  #open = true;
  #changed: FastboopError | undefined;
  /** Reads under way. */
  #reads = 0;
  #onIdle: (() => void) | undefined;
  /** Reads still to go through threads. */
  #threaded = 0;
  /** When something else last had its turn. */
  #turnMs = performance.now();
  readonly #threads = new Semaphore(PARALLEL);
  /** The same file once more, for threads: an open file has one position. */
  readonly #spare: Deno.FsFile[] = [];

  constructor(file: Deno.FsFile, path: string, sizeBytes: number, stats: Deno.FileInfo) {
    this.#file = file;
    this.#path = path;
    this.#stats = stats;
    this.sizeBytes = sizeBytes;
    this.identity = stats.isBlockDevice
      ? `device:${path}:size=${sizeBytes}:rdev=${stats.rdev}`
      : `file:${path}:size=${sizeBytes}:mtime=${stats.mtime?.getTime()}:ino=${stats.ino}`;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    const { signal } = options;
    checkBounds(this, offsetBytes, into.length);
    if (!this.#open) throw this.#error("it is closed");
    if (signal?.aborted) throw cancelled(this.#action, signal);
    if (this.#changed) throw this.#changed;
    this.#reads++;
    try {
      for (let done = 0; done < into.length;) {
        const rest = done === 0 ? into : into.subarray(done);
        const reading = this.#read(offsetBytes + done, rest, signal);
        const count = typeof reading === "object" ? await reading : reading;
        if (!count) throw this.#refuse("it was cut short while it was read");
        done += count;
      }
      // After the read: a change that was not there now did not touch the bytes just read.
      if (this.#isChanged()) throw this.#refuse("the file was changed while it was read");
    } catch (cause) {
      if (signal?.aborted) throw cancelled(this.#action, signal);
      throw cause instanceof FastboopError ? cause : this.#error(errorText(cause), cause);
    } finally {
      this.#reads--;
      if (this.#reads === 0) this.#onIdle?.();
    }
    if (signal?.aborted) throw cancelled(this.#action, signal);
  }

  /** Some of the bytes; null at the end. */
  #read(
    offsetBytes: number,
    into: Uint8Array,
    signal?: AbortSignal,
  ): number | null | Promise<number | null> {
    const began = performance.now();
    if (into.length > SYNC_BYTES || this.#threaded > 0 || began - this.#turnMs > TURN_MS) {
      this.#threaded = Math.max(0, this.#threaded - 1);
      return this.#readInThread(offsetBytes, into, signal);
    }
    const count = readNow(this.#file, offsetBytes, into);
    if (performance.now() - began > SLOW_MS) this.#threaded = THREADED_READS;
    return count;
  }

  async #readInThread(
    offsetBytes: number,
    into: Uint8Array,
    signal?: AbortSignal,
  ): Promise<number | null> {
    const release = await this.#threads.acquire(signal);
    try {
      const file = this.#spare.pop() ?? await this.#openAgain();
      if (file === undefined) return readNow(this.#file, offsetBytes, into);
      try {
        file.seekSync(offsetBytes, Deno.SeekMode.Start);
        return await file.read(into);
      } finally {
        this.#spare.push(file);
      }
    } finally {
      this.#turnMs = performance.now();
      release();
    }
  }

  /** Undefined where another file has the name now: the one that is open is still the image. */
  async #openAgain(): Promise<Deno.FsFile | undefined> {
    try {
      // Look first, as at the opening.
      if (!this.#isSame(await Deno.stat(this.#path))) return undefined;
      const file = await Deno.open(this.#path);
      if (this.#isSame(file.statSync())) return file;
      file.close();
    } catch {
      // The name is gone, or too many files are open.
    }
    return undefined;
  }

  #isSame({ dev, ino }: Deno.FileInfo): boolean {
    return dev === this.#stats.dev && ino === this.#stats.ino;
  }

  #isChanged(): boolean {
    if (this.#stats.isBlockDevice) return false;
    const { size, mtime } = this.#file.statSync();
    return size !== this.#stats.size || mtime?.getTime() !== this.#stats.mtime?.getTime();
  }

  #refuse(state: string): FastboopError {
    const hint = "Leave the image alone while the phone runs from it, then boot again";
    const { kind, action } = this.#error(state);
    this.#changed ??= new FastboopError({ kind, action, state, hint });
    return this.#changed;
  }

  get #action(): string {
    return `Read "${printable(this.#path)}"`;
  }

  #error(state: string, cause?: unknown): FastboopError {
    return new FastboopError({ kind: "source", action: this.#action, state, cause });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    // Reads under way still need the file, and may not write into an array that is thought free.
    if (this.#reads > 0) await new Promise<void>((resolve) => this.#onIdle = resolve);
    for (const file of [this.#file, ...this.#spare]) file.close();
  }
}

/** Nothing can come between seek and read, since neither waits. */
function readNow(file: Deno.FsFile, offsetBytes: number, into: Uint8Array): number | null {
  file.seekSync(offsetBytes, Deno.SeekMode.Start);
  return file.readSync(into);
}

function refuseOtherKinds(action: string, stats: Deno.FileInfo): void {
  if (stats.isFile || stats.isBlockDevice) return;
  const [state, hint] = stats.isDirectory
    ? ["it is a directory", "Give the image file itself"]
    : stats.isFifo
    ? ["it is a FIFO, which cannot be read at an offset", "Save the data to a file first"]
    : ["it is neither a file nor a block device", "Give an image file"];
  throw new FastboopError({ kind: "unsupported", action, state, hint });
}

function errorText(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error));
}

function translate(action: string, error: unknown): unknown {
  if (error instanceof FastboopError) return error;
  if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
    return new FastboopError({
      kind: "not-found",
      action,
      state: "there is no such file",
      hint: "Check the path; a URL must begin with https:// or http://",
      cause: error,
    });
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new FastboopError({
      kind: "permission",
      action,
      state: "reading is not permitted",
      hint: "Make the file readable for your user",
      cause: error,
    });
  }
  if (error instanceof Deno.errors.NotCapable) {
    // So it says of what lies in /dev.
    const isAllNeeded = error.message.includes("--allow-all");
    return new FastboopError({
      kind: "permission",
      action,
      state: "Deno was started without the right to read it",
      hint: isAllNeeded
        ? "Add --allow-all: Deno opens no device without"
        : "Add --allow-read for this path",
      cause: error,
    });
  }
  return new FastboopError({ kind: "source", action, state: errorText(error), cause: error });
}
