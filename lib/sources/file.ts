/**
 * A regular file or block device as a Reader.
 *
 * Reads are positional (pread), so concurrent calls never share a file position. The open descriptor
 * keeps the inode: replacing the file by rename is harmless, writing into it is noticed by size and
 * modification time, and then every further read fails: a half-old image is never served.
 */
import { close, constants, fstatSync, open, read, readSync, realpathSync, statSync } from "node:fs";
import { type BigIntStats } from "node:fs";
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
    refuseOtherKinds(action, statSync(path, { bigint: true }));
    const realPath = realpathSync(path);
    const fd = await openDescriptor(realPath);
    try {
      const stats = fstatSync(fd, { bigint: true });
      refuseOtherKinds(action, stats);
      const sizeBytes = stats.isBlockDevice() ? deviceSize(realPath) : Number(stats.size);
      return new FileReader(fd, realPath, sizeBytes, stats);
    } catch (error) {
      await closeDescriptor(fd);
      throw error;
    }
  } catch (error) {
    throw translate(action, error);
  }
}

class FileReader implements Reader {
  readonly identity: string;
  #open = true;
  #changed: FastboopError | undefined;
  #pending = new Set<Promise<void>>();
  /** Reads still to go through threads. */
  #threaded = 0;

  constructor(
    readonly fd: number,
    readonly path: string,
    readonly sizeBytes: number,
    readonly stats: BigIntStats,
  ) {
    this.identity = stats.isBlockDevice()
      ? `device:${path}:size=${sizeBytes}:rdev=${stats.rdev}`
      : `file:${path}:size=${sizeBytes}:mtime=${stats.mtimeNs}:ino=${stats.ino}`;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    const { signal } = options;
    const action = `Read "${printable(this.path)}"`;
    checkBounds(`"${printable(this.path)}"`, this.sizeBytes, offsetBytes, into.length);
    if (!this.#open) throw new FastboopError({ kind: "source", action, state: "it is closed" });
    if (signal?.aborted) throw cancelled(action, signal);
    if (this.#changed) throw this.#changed;
    const reading = this.#fill(action, offsetBytes, into);
    this.#pending.add(reading);
    try {
      await reading;
    } finally {
      this.#pending.delete(reading);
    }
    if (signal?.aborted) throw cancelled(action, signal);
  }

  async #fill(action: string, offsetBytes: number, into: Uint8Array): Promise<void> {
    let done = 0;
    while (done < into.length) {
      const count = await this.#read(into, done, offsetBytes + done).catch((cause) => {
        throw new FastboopError({ kind: "source", action, state: errorText(cause), cause });
      });
      if (count === 0) throw this.#refuse(action, "it was cut short while it was read");
      done += count;
    }
    // After the read: a change that was not there now did not touch the bytes just read.
    if (this.stats.isBlockDevice()) return;
    const now = fstatSync(this.fd, { bigint: true });
    if (now.size !== this.stats.size || now.mtimeNs !== this.stats.mtimeNs) {
      throw this.#refuse(action, "the file was changed while it was read");
    }
  }

  async #read(into: Uint8Array, start: number, offsetBytes: number): Promise<number> {
    if (into.length > SYNC_BYTES) return await readPositional(this.fd, into, start, offsetBytes);
    if (this.#threaded > 0) {
      this.#threaded--;
      return await readPositional(this.fd, into, start, offsetBytes);
    }
    const began = performance.now();
    const count = readSync(this.fd, into, start, into.length - start, offsetBytes);
    if (performance.now() - began > SLOW_MS) this.#threaded = THREADED_READS;
    return count;
  }

  #refuse(action: string, state: string): FastboopError {
    this.#changed ??= new FastboopError({
      kind: "source",
      action,
      state,
      hint: "Leave the image alone while the phone runs from it, then boot again",
    });
    return this.#changed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    // The descriptor's number could be reused by another file before a late read reaches it.
    await Promise.allSettled(this.#pending);
    await closeDescriptor(this.fd);
  }
}

function refuseOtherKinds(action: string, stats: BigIntStats): void {
  if (stats.isFile() || stats.isBlockDevice()) return;
  const [state, hint] = stats.isDirectory()
    ? ["it is a directory", "Give the image file itself"]
    : stats.isFIFO()
    ? ["it is a FIFO, which cannot be read at an offset", "Save the data to a file first"]
    : ["it is neither a file nor a block device", "Give an image file"];
  throw new FastboopError({ kind: "unsupported", action, state, hint });
}

/** fstat says 0 for a block device; the end of seeking is its size. */
function deviceSize(path: string): number {
  using device = Deno.openSync(path, { read: true });
  return device.seekSync(0, Deno.SeekMode.End);
}

function openDescriptor(path: string): Promise<number> {
  // O_NONBLOCK: a FIFO put there since the look must not hold us.
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
  return new Promise((resolve, reject) =>
    open(path, flags, (error, fd) => error ? reject(error) : resolve(fd!))
  );
}

function closeDescriptor(fd: number): Promise<void> {
  return new Promise((resolve) => close(fd, () => resolve()));
}

function readPositional(
  fd: number,
  into: Uint8Array,
  start: number,
  offsetBytes: number,
): Promise<number> {
  return new Promise((resolve, reject) =>
    read(
      fd,
      into,
      start,
      into.length - start,
      offsetBytes,
      (error, count) => error ? reject(error) : resolve(count!),
    )
  );
}

function errorText(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error));
}

function translate(action: string, error: unknown): unknown {
  if (error instanceof FastboopError) return error;
  const code = (error as { code?: string }).code;
  if (code === "ENOENT" || code === "ENOTDIR" || error instanceof Deno.errors.NotFound) {
    return new FastboopError({
      kind: "not-found",
      action,
      state: "there is no such file",
      hint: "Check the path; a URL must begin with https:// or http://",
      cause: error,
    });
  }
  const denied = code === "EACCES" || code === "EPERM" ||
    error instanceof Deno.errors.PermissionDenied;
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
