/**
 * The host's files under a kernel tree: the only way by which this room looks at them.
 *
 * Links are followed (a tree may be made of them). What is not there is `undefined`; what may not be read
 * is a `permission` error naming the path.
 */
import { FastboopError } from "../errors/errors.ts";
import { compareUtf8 } from "../bytes/compare.ts";

/** What stat(2) says. */
export interface FileFacts {
  readonly kind: "file" | "directory" | "other";
  readonly sizeBytes: number;
  readonly mtimeMs: number;
}

export class TreeFiles {
  /** Facts behind all links, or undefined when there is nothing. */
  async stat(path: string): Promise<FileFacts | undefined> {
    const info = await attempt(`Look at "${path}"`, () => Deno.stat(path));
    return info && {
      kind: info.isFile ? "file" : info.isDirectory ? "directory" : "other",
      sizeBytes: info.size,
      mtimeMs: info.mtime?.getTime() ?? 0,
    };
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

async function attempt<T>(action: string, run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (cause) {
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
}
