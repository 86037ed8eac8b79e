/**
 * A regular file or block device as a Reader.
 *
 * The open file keeps the inode: replacing the file by rename is harmless, writing into it is noticed by
 * size and modification time, and then every further read fails: a half-old image is never served.
 */
import { cancelled, FastboopError } from "../errors/errors.ts";
import { printable } from "../bytes/printable.ts";
import { checkBounds } from "./bounds.ts";
import type { Reader, ReadOptions } from "./reader.ts";

/** Reads up to this are made at once: going through a thread takes longer than they do. */
const SYNC_BYTES = 256 << 10;
/** A read that took longer waited for a disk. */
const SLOW_MS = 5;
/** Then as many go through threads, side by side, before another is tried. */
const THREADED_READS = 16;

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
  /** Reads still to go through threads. */
  #threaded = 0;

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
    if (signal?.aborted) throw cancelled(this.#action, signal);
    if (this.#changed) throw this.#changed;
    for (let done = 0; done < into.length;) {
      const reading = this.#read(offsetBytes + done, done === 0 ? into : into.subarray(done));
      const count = typeof reading === "object" ? await reading : reading;
      if (!count) throw this.#refuse("it was cut short while it was read");
      done += count;
    }
    // After the read: a change that was not there now did not touch the bytes just read.
    if (this.#isChanged()) throw this.#refuse("the file was changed while it was read");
    if (signal?.aborted) throw cancelled(this.#action, signal);
  }

  /** Some of the bytes; null at the end. */
  #read(offsetBytes: number, into: Uint8Array): number | null | Promise<number | null> {
    if (into.length > SYNC_BYTES) return this.#readInThread(offsetBytes, into);
    if (this.#threaded > 0) {
      this.#threaded--;
      return this.#readInThread(offsetBytes, into);
    }
    const began = performance.now();
    const count = this.#readNow(offsetBytes, into);
    if (performance.now() - began > SLOW_MS) this.#threaded = THREADED_READS;
    return count;
  }

  #readNow(offsetBytes: number, into: Uint8Array): number | null {
    if (!this.#open) throw this.#error("it is closed");
    try {
      this.#file.seekSync(offsetBytes, Deno.SeekMode.Start);
      return this.#file.readSync(into);
    } catch (cause) {
      throw this.#error(errorText(cause), cause);
    }
  }

  /** Through a file of its own, since an open file has one position. */
  async #readInThread(offsetBytes: number, into: Uint8Array): Promise<number | null> {
    using file = await Deno.open(this.#path).catch(() => undefined);
    const stats = file?.statSync();
    // Where another file has the name now, the one that is open is still the image.
    if (stats?.ino !== this.#stats.ino || stats.dev !== this.#stats.dev) {
      return this.#readNow(offsetBytes, into);
    }
    try {
      file!.seekSync(offsetBytes, Deno.SeekMode.Start);
      return await file!.read(into);
    } catch (cause) {
      throw this.#error(errorText(cause), cause);
    }
  }

  #isChanged(): boolean {
    if (this.#stats.isBlockDevice) return false;
    if (!this.#open) throw this.#error("it is closed");
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

  [Symbol.asyncDispose](): Promise<void> {
    if (this.#open) this.#file.close();
    this.#open = false;
    return Promise.resolve();
  }
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
  const denied = error instanceof Deno.errors.PermissionDenied;
  if (denied || error instanceof Deno.errors.NotCapable) {
    return new FastboopError({
      kind: "permission",
      action,
      state: denied ? "reading is not permitted" : "Deno was started without the right to read it",
      hint: denied ? "Make the file readable for your user" : "Add --allow-read for this path",
      cause: error,
    });
  }
  return new FastboopError({ kind: "source", action, state: errorText(error), cause: error });
}
