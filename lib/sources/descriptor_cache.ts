/**
 * Reads of host files that were listed earlier: the bytes of exactly that file, or an error.
 *
 * A file is compared with its stamp when it is opened and again after every read. Once a file has
 * drifted it stays refused for good, so a reader never sees half of the old and half of the new bytes.
 * Blind spot: a rewrite in place, of the same size, within the millisecond of the recorded mtime and the
 * second of the recorded ctime (Deno gives no more digits).
 *
 * Reads are positional. Seek and read on one shared descriptor would mix up overlapping requests.
 */
import { cancelled, FastboopError } from "../errors/errors.ts";
import { LeaseCache } from "./lease_cache.ts";

/** What a file was when it was listed. */
export interface FileStamp {
  readonly device: number;
  readonly inode: number;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}

/** Options of a DescriptorCache. */
export interface DescriptorCacheOptions {
  /**
   * Reads without handing over to the thread pool: two to five times cheaper per call for a program that
   * only copies, but nothing else runs meanwhile.
   */
  blockingReads?: boolean;
}

/** An open file; `read` returns 0 at its end. */
interface OpenFile {
  read(offsetBytes: number, into: Uint8Array): number | Promise<number>;
  stat(): FileInfo;
  close(): void;
}

/** Idle descriptors that stay open. */
const CAPACITY = 64;
/** Errors of open and lstat which say that the listed file is not there any more. */
const GONE = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENXIO"]);
const DENIED = new Set(["EACCES", "EPERM"]);

/** The part of Deno's and node's file information that a stamp is made of. */
interface FileInfo {
  dev: number;
  ino: number | null;
  size: number;
  mtime: Date | null;
  ctime: Date | null;
}

/** The stamp of what `lstat` or `fstat` said. */
export function stampOf(info: FileInfo): FileStamp {
  return {
    device: info.dev,
    inode: info.ino ?? 0,
    sizeBytes: info.size,
    mtimeMs: info.mtime?.getTime() ?? 0,
    ctimeMs: info.ctime?.getTime() ?? 0,
  };
}

/** Open descriptors of one tree; see the header. */
export class DescriptorCache {
  readonly #open = new LeaseCache<FileStamp, OpenFile>(CAPACITY, (file) => file.close());
  readonly #blocking: boolean;
  readonly #drifted = new WeakMap<FileStamp, FastboopError>();

  constructor(options: DescriptorCacheOptions = {}) {
    this.#blocking = options.blockingReads ?? false;
  }

  /**
   * Fills `into` from `offsetBytes` of the file that `stamp` describes.
   *
   * @throws {FastboopError} `source` when the file changed (for good) or the disk failed, `permission`.
   */
  async read(
    path: string,
    stamp: FileStamp,
    offsetBytes: number,
    into: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    if (signal?.aborted) throw cancelled(`Read "${path}"`, signal);
    if (this.#blocking) {
      this.readBlocking(path, stamp, offsetBytes, into);
      return;
    }
    this.#refuseDrifted(stamp);
    const open = await loadOpenPooled();
    try {
      await this.#open.with(stamp, () => this.#openPinned(open, path, stamp), async (file) => {
        for (let done = 0; done < into.length;) {
          const count = await file.read(offsetBytes + done, into.subarray(done));
          if (count === 0) throw this.#drift(path, stamp, "it has become shorter");
          done += count;
        }
        this.#compare(path, stamp, file.stat());
      });
    } catch (error) {
      this.#open.drop(stamp);
      throw error instanceof FastboopError ? error : this.#translate(path, stamp, error);
    }
  }

  /** As `read`, at once. A whole file at a time passes the cache by: nobody reads it again. */
  readBlocking(path: string, stamp: FileStamp, offsetBytes: number, into: Uint8Array): void {
    this.#refuseDrifted(stamp);
    const open = () => this.#openPinned(openBlocking, path, stamp);
    const use = (file: OpenFile) => this.#fillBlocking(file, path, stamp, offsetBytes, into);
    try {
      if (into.length === stamp.sizeBytes) {
        const file = open();
        try {
          use(file);
        } finally {
          file.close();
        }
      } else this.#open.withSync(stamp, open, use);
    } catch (error) {
      this.#open.drop(stamp);
      throw error instanceof FastboopError ? error : this.#translate(path, stamp, error);
    }
  }

  #fillBlocking(
    file: OpenFile,
    path: string,
    stamp: FileStamp,
    offsetBytes: number,
    into: Uint8Array,
  ): void {
    for (let done = 0; done < into.length;) {
      const rest = done === 0 ? into : into.subarray(done);
      const count = file.read(offsetBytes + done, rest) as number;
      if (count === 0) throw this.#drift(path, stamp, "it has become shorter");
      done += count;
    }
    this.#compare(path, stamp, file.stat());
  }

  #refuseDrifted(stamp: FileStamp): void {
    const drifted = this.#drifted.get(stamp);
    if (drifted !== undefined) throw drifted;
  }

  /** Closes what is idle now and the rest when its reads have ended; later reads leave nothing open. */
  close(): void {
    this.#open.clear();
  }

  #openPinned(open: (path: string) => OpenFile, path: string, stamp: FileStamp): OpenFile {
    // lstat comes first: opening a device or FIFO that was put in the file's place can have effects or
    // block. What was really opened is compared after the read, before its bytes are given out.
    this.#compare(path, stamp, Deno.lstatSync(path));
    return open(path);
  }

  #compare(path: string, stamp: FileStamp, now: FileInfo): void {
    if (now.dev !== stamp.device || (now.ino ?? 0) !== stamp.inode) {
      throw this.#drift(path, stamp, "another file has taken its place");
    }
    if (now.size !== stamp.sizeBytes) {
      throw this.#drift(path, stamp, `its size went from ${stamp.sizeBytes} to ${now.size}`);
    }
    const mtimeMs = now.mtime?.getTime() ?? 0;
    if (mtimeMs !== stamp.mtimeMs || (now.ctime?.getTime() ?? 0) !== stamp.ctimeMs) {
      throw this.#drift(path, stamp, "it was modified");
    }
  }

  #drift(path: string, stamp: FileStamp, what: string, cause?: unknown): FastboopError {
    const error = new FastboopError({
      kind: "source",
      action: `Read "${path}"`,
      state: `the file changed since it was listed: ${what}`,
      hint: "Let nothing write to the tree meanwhile, then start again",
      cause,
    });
    this.#drifted.set(stamp, error);
    return error;
  }

  #translate(path: string, stamp: FileStamp, error: unknown): FastboopError {
    const code = (error as { code?: string }).code ?? "";
    if (GONE.has(code)) return this.#drift(path, stamp, "it is gone", error);
    return new FastboopError({
      kind: DENIED.has(code) ? "permission" : "source",
      action: `Read "${path}"`,
      state: error instanceof Error ? error.message : String(error),
      cause: error,
    });
  }
}

/** Deno's own synchronous calls: a third of the time of node:fs, whose Stats are costly. */
function openBlocking(path: string): OpenFile {
  const file = Deno.openSync(path);
  let positionBytes = 0;
  return {
    // Nothing can come between seek and read, since neither waits.
    read(offsetBytes, into) {
      if (offsetBytes !== positionBytes) file.seekSync(offsetBytes, Deno.SeekMode.Start);
      const count = file.readSync(into) ?? 0;
      positionBytes = offsetBytes + count;
      return count;
    },
    stat: () => file.statSync(),
    close: () => file.close(),
  };
}

let openPooled: ((path: string) => OpenFile) | undefined;

/** Loading node:fs takes longer than starting Deno does, so only who reads file data pays for it. */
async function loadOpenPooled(): Promise<(path: string) => OpenFile> {
  if (openPooled !== undefined) return openPooled;
  const fs = await import("node:fs");
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  const flags = O_RDONLY | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0);
  return openPooled = (path) => {
    const descriptor = fs.openSync(path, flags);
    return {
      read: (offsetBytes, into) =>
        new Promise<number>((resolve, reject) => {
          const done = (error: Error | null, count: number) =>
            error ? reject(error) : resolve(count);
          fs.read(descriptor, into, 0, into.length, offsetBytes, done);
        }),
      stat() {
        // Its `mtime` is rounded up by half a millisecond, which moves times before 1970; `mtimeMs` is not.
        const info = fs.fstatSync(descriptor);
        return { ...info, mtime: new Date(info.mtimeMs), ctime: new Date(info.ctimeMs) };
      },
      close: () => fs.closeSync(descriptor),
    };
  };
}
