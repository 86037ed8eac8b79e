import { FastboopError } from "../errors/errors.ts";
import type { Entry, FileTree } from "../sources/file_tree.ts";

/**
 * All bytes of a regular file of a tree.
 *
 * @throws {FastboopError} `not-found` when it is no file there, `limit` above `limitBytes`.
 */
export async function readTreeFile(
  tree: FileTree,
  path: string,
  limitBytes: number,
  options: { entry?: Entry; signal?: AbortSignal } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const entry = options.entry ?? await tree.stat(path);
  const action = `Read "${path}"`;
  if (entry?.kind !== "file") {
    const state = entry ? `it is a ${entry.kind}` : "there is no such file";
    throw new FastboopError({ kind: "not-found", action, state });
  }
  await using reader = await tree.open(path, entry);
  if (reader.sizeBytes > limitBytes) {
    const state = `it has ${reader.sizeBytes} bytes, the limit is ${limitBytes}`;
    throw new FastboopError({ kind: "limit", action, state });
  }
  const bytes = new Uint8Array(reader.sizeBytes);
  await reader.readAt(0, bytes, options.signal ? { signal: options.signal } : {});
  return bytes;
}
