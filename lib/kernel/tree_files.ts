/**
 * The host's files under a kernel tree: the only way by which this room looks at them.
 *
 * Links are followed (a tree may be made of them). What is not there is `undefined`; what may not be read
 * is a `permission` error naming the path.
 */
import { FastboopError } from "../errors/errors.ts";
import { compareUtf8 } from "../bytes/compare.ts";
import { type FileStamp, stampOf } from "../sources/descriptor_cache.ts";

/** What stat(2) says. */
export interface FileFacts {
  readonly kind: "file" | "directory" | "other";
  readonly sizeBytes: number;
  readonly mtimeMs: number;
}

/** A regular file as it was found, open for a look at parts of it. */
export interface PinnedFile {
  /** The file itself: a link in the last place is followed. */
  readonly path: string;
  readonly stamp: FileStamp;
  /** These bytes, at once. @throws {FastboopError} `source` when the file is shorter. */
  read(offsetBytes: number, sizeBytes: number): Uint8Array;
}

export class TreeFiles {
  /** Facts behind all links, or undefined when there is nothing. */
  async stat(path: string): Promise<FileFacts | undefined> {
    const info = await attempt(`Look at "${path}"`, () => Deno.stat(path));
    return info && factsOf(info);
  }

  /** The same at once: of thousands of files that takes a third of the time. */
  statNow(path: string): FileFacts | undefined {
    const info = attemptSync(`Look at "${path}"`, () => Deno.statSync(path));
    return info && factsOf(info);
  }

  /**
   * Bytes of a regular file, or undefined when it is none.
   *
   * @throws {FastboopError} `limit` above `limitBytes`.
   */
  async read(path: string, limitBytes: number): Promise<Uint8Array | undefined> {
    const facts = await this.stat(path);
    if (facts?.kind !== "file") return undefined;
    const action = `Read "${path}"`;
    if (facts.sizeBytes > limitBytes) {
      const state = `it has ${facts.sizeBytes} bytes, the limit is ${limitBytes}`;
      throw new FastboopError({ kind: "limit", action, state });
    }
    return await attempt(action, () => Deno.readFile(path));
  }

  /** The same as text. */
  async readText(path: string, limitBytes: number): Promise<string | undefined> {
    const bytes = await this.read(path, limitBytes);
    return bytes && new TextDecoder().decode(bytes);
  }

  /**
   * Opens a regular file for the time of `use`; undefined when it is none. All of it waits: for thousands
   * of small looks that is many times cheaper than handing each to another thread.
   */
  withFile<Result>(path: string, use: (file: PinnedFile) => Result): Result | undefined {
    return attemptSync(`Look at "${path}"`, () => {
      let info = Deno.lstatSync(path);
      let realPath = path;
      if (info.isSymlink) {
        realPath = Deno.realPathSync(path);
        info = Deno.lstatSync(realPath);
      }
      if (!info.isFile) return undefined;
      using opened = Deno.openSync(realPath);
      let positionBytes = 0;
      const read = (offsetBytes: number, sizeBytes: number): Uint8Array => {
        const bytes = new Uint8Array(sizeBytes);
        if (offsetBytes !== positionBytes) opened.seekSync(offsetBytes, Deno.SeekMode.Start);
        for (let done = 0; done < sizeBytes;) {
          const count = opened.readSync(bytes.subarray(done));
          if (count === null) throw cutShort(realPath);
          done += count;
        }
        positionBytes = offsetBytes + sizeBytes;
        return bytes;
      };
      return use({ path: realPath, stamp: stampOf(info), read });
    });
  }

  /** Names of a directory, sorted, folders marked; none when it is not there. */
  async list(path: string): Promise<{ name: string; isDirectory: boolean }[]> {
    const entries = await attempt(`List "${path}"`, async () => {
      const names = [];
      for await (const { name, isDirectory } of Deno.readDir(path)) {
        names.push({ name, isDirectory });
      }
      return names;
    });
    return (entries ?? []).sort((a, b) => compareUtf8(a.name, b.name));
  }

  /** The absolute path without links, or undefined when there is nothing. */
  async realPath(path: string): Promise<string | undefined> {
    return await attempt(`Look at "${path}"`, () => Deno.realPath(path));
  }
}

function factsOf(info: Deno.FileInfo): FileFacts {
  return {
    kind: info.isFile ? "file" : info.isDirectory ? "directory" : "other",
    sizeBytes: info.size,
    mtimeMs: info.mtime?.getTime() ?? 0,
  };
}

function cutShort(path: string): FastboopError {
  return new FastboopError({
    kind: "source",
    action: `Read "${path}"`,
    state: "it was cut short while it was read",
    hint: "Let nothing write to the tree meanwhile, then start again",
  });
}

async function attempt<T>(action: string, run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (cause) {
    return absentOr(action, cause);
  }
}

function attemptSync<T>(action: string, run: () => T): T | undefined {
  try {
    return run();
  } catch (cause) {
    return absentOr(action, cause);
  }
}

/** Nothing for what is not there; everything else is thrown on. */
function absentOr(action: string, cause: unknown): undefined {
  if (cause instanceof FastboopError) throw cause;
  if (cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.NotADirectory) {
    return undefined;
  }
  const denied = cause instanceof Deno.errors.PermissionDenied ||
    cause instanceof Deno.errors.NotCapable;
  throw new FastboopError({
    kind: denied ? "permission" : "tree",
    action,
    state: cause instanceof Error ? cause.message : String(cause),
    hint: denied ? "Allow reading of the kernel tree" : "Look at the file: it cannot be read",
    cause,
  });
}
