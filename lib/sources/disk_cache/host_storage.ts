/**
 * A directory of the host as the disk cache's storage.
 *
 * Invariants: the directory is the user's own, no link, and nobody else may write there; only names of the
 * cache's own shape are opened or removed, links among them are not followed; files are 0600.
 */
import * as fs from "node:fs";
import * as fsp from "node:fs/promises";
import { printable } from "../../bytes/printable.ts";
import { FastboopError } from "../../errors/errors.ts";
import type { CacheStorage, StoredBytes, StoredFile } from "./storage.ts";

const OWN_NAME = /^[0-9a-f]{64}\.(?:blocks|trace)$/;
const UNFINISHED = /^\.[0-9a-f]{64}\.(?:blocks|trace)\.[0-9a-f]{16}\.tmp$/;
/** Publishing a file takes moments; what is older was left by a program that was killed. */
const UNFINISHED_MS = 60 * 60_000;

export class HostStorage implements CacheStorage {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Opens a directory; with `create` it is made when it is missing.
   *
   * @throws {FastboopError} `not-found`, or `permission` when it is a link, somebody else's or writable for
   * others, or the system or Deno refuses.
   */
  static async open(directory: string, options: { create: boolean }): Promise<HostStorage> {
    const action = `Open the cache "${printable(directory)}"`;
    try {
      if (options.create) await fsp.mkdir(directory, { recursive: true, mode: 0o700 });
      const fault = faultOf(await fsp.lstat(directory));
      if (fault === undefined) return new HostStorage(directory);
      throw new FastboopError({
        kind: "permission",
        action,
        state: fault,
        hint: "Name another directory in FASTBOOP_CACHE_DIR",
      });
    } catch (error) {
      if (error instanceof FastboopError) throw error;
      const isMissing = codeOf(error) === "ENOENT" && !options.create;
      throw new FastboopError({
        kind: isMissing ? "not-found" : "permission",
        action,
        state: isMissing ? "there is no such directory" : textOf(error),
        cause: error,
      });
    }
  }

  async list(): Promise<StoredFile[]> {
    const files: StoredFile[] = [];
    for (const name of await fsp.readdir(this.#directory)) {
      if (!OWN_NAME.test(name)) continue;
      const stats = await fsp.lstat(this.#path(name)).catch(ignoreMissing);
      if (!stats?.isFile()) continue;
      // Where the system counts no blocks the size is the only measure.
      const diskBytes = stats.blocks === undefined || stats.blocks === null
        ? stats.size
        : stats.blocks * 512;
      files.push({ name, diskBytes, usedMs: stats.mtimeMs });
    }
    return files;
  }

  async open(
    name: string,
    options: { readOnly?: boolean } = {},
  ): Promise<StoredBytes | undefined> {
    const { O_RDONLY, O_RDWR, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = fs.constants;
    const flags = (options.readOnly ? O_RDONLY : O_RDWR) | O_NOFOLLOW | O_NONBLOCK;
    const fd = await openDescriptor(this.#path(name), flags).catch(ignoreMissing);
    if (fd === undefined) return undefined;
    if (fs.fstatSync(fd).isFile()) return new HostFile(fd);
    fs.closeSync(fd);
    throw new Error(`"${name}" is no regular file`);
  }

  async create(name: string, bytes: Uint8Array): Promise<void> {
    await this.#publish(name, bytes, async (unfinished, path) => {
      try {
        await fsp.link(unfinished, path);
      } catch (error) {
        if (codeOf(error) === "EEXIST") return;
        await fsp.rename(unfinished, path); // a file system without hard links
      }
    });
  }

  async replace(name: string, bytes: Uint8Array): Promise<void> {
    await this.#publish(name, bytes, fsp.rename);
  }

  async remove(name: string): Promise<void> {
    await fsp.unlink(this.#path(name)).catch(ignoreMissing);
  }

  async sweep(): Promise<void> {
    for (const name of await fsp.readdir(this.#directory)) {
      if (!UNFINISHED.test(name)) continue;
      const path = `${this.#directory}/${name}`;
      const stats = await fsp.lstat(path).catch(ignoreMissing);
      if (stats?.isFile() && Date.now() - stats.mtimeMs > UNFINISHED_MS) {
        await fsp.unlink(path).catch(ignoreMissing);
      }
    }
  }

  async freeBytes(): Promise<number | undefined> {
    if (!isGranted("statfs")) return undefined;
    try {
      const { bavail, bsize } = await fsp.statfs(this.#directory);
      return Number(bavail) * Number(bsize);
    } catch {
      return undefined;
    }
  }

  #path(name: string): string {
    if (!OWN_NAME.test(name)) throw new Error(`"${name}" is no name of the cache`);
    return `${this.#directory}/${name}`;
  }

  async #publish(
    name: string,
    bytes: Uint8Array,
    appear: (unfinished: string, path: string) => Promise<void>,
  ): Promise<void> {
    const path = this.#path(name);
    const mark = crypto.getRandomValues(new BigUint64Array(1))[0]!.toString(16).padStart(16, "0");
    const unfinished = `${this.#directory}/.${name}.${mark}.tmp`;
    const { O_WRONLY, O_CREAT, O_EXCL } = fs.constants;
    const fd = await openDescriptor(unfinished, O_WRONLY | O_CREAT | O_EXCL, 0o600);
    try {
      const file = new HostFile(fd);
      try {
        await file.write(0, bytes);
        // Else a power cut may leave the new name with an empty file behind it.
        await file.sync();
      } finally {
        await file.close();
      }
      await appear(unfinished, path);
    } finally {
      await fsp.unlink(unfinished).catch(() => {}); // renamed away, or the directory is gone
    }
  }
}

class HostFile implements StoredBytes {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  async read(offsetBytes: number, into: Uint8Array): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const count = await new Promise<number>((resolve, reject) =>
        fs.read(
          this.#fd,
          into,
          done,
          into.length - done,
          offsetBytes + done,
          (error, count) => error ? reject(error) : resolve(count!),
        )
      );
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  async write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      done += await new Promise<number>((resolve, reject) =>
        fs.write(
          this.#fd,
          bytes,
          done,
          bytes.length - done,
          offsetBytes + done,
          (error, count) => error ? reject(error) : resolve(count!),
        )
      );
    }
  }

  // deno-lint-ignore require-await
  async touch(): Promise<boolean> {
    const now = new Date();
    fs.futimesSync(this.#fd, now, now);
    return fs.fstatSync(this.#fd).nlink > 0;
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) =>
      fs.fsync(this.#fd, (error) => error ? reject(error) : resolve())
    );
  }

  close(): Promise<void> {
    return new Promise((resolve) => fs.close(this.#fd, () => resolve()));
  }
}

/** Why a directory is not to be trusted. */
function faultOf(stats: fs.Stats): string | undefined {
  if (!stats.isDirectory()) return "it is no directory";
  if (Deno.build.os === "windows") return undefined; // it shows neither owners nor modes
  const uid = ownUid();
  if (uid !== undefined && stats.uid !== uid) return "it belongs to another user";
  return (stats.mode & 0o022) === 0 ? undefined : "other users may write there";
}

/** Undefined without --allow-sys: then the modes alone must do. */
function ownUid(): number | undefined {
  return isGranted("uid") ? Deno.uid() ?? undefined : undefined;
}

/** Never asked for: the question would hold a phone that is being served. */
function isGranted(kind: "uid" | "statfs"): boolean {
  return Deno.permissions.querySync({ name: "sys", kind }).state === "granted";
}

function openDescriptor(path: string, flags: number, mode?: number): Promise<number> {
  return new Promise((resolve, reject) =>
    fs.open(path, flags, mode, (error, fd) => error ? reject(error) : resolve(fd!))
  );
}

function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) !== "ENOENT") throw error;
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}

function textOf(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error));
}
