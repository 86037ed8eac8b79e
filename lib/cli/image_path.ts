import { printable } from "../bytes/printable.ts";
import { FastboopError } from "../errors/errors.ts";
import { followPath } from "../kernel/firmware/follow_path.ts";
import type { Entry, FileTree } from "../sources/file_tree.ts";

/** A name inside an image, as it is stored there. */
export interface FoundPath {
  readonly path: string;
  readonly entry: Entry;
}

/**
 * What lies at the path a user wrote; links are followed inside the image, the last one only where
 * `followsLast` says so.
 *
 * @throws {FastboopError} `not-found`.
 */
export async function findInImage(
  tree: FileTree,
  word: string,
  followsLast: boolean,
): Promise<FoundPath> {
  const parts = word.split("/").filter((part) => part !== "" && part !== ".");
  const last = parts.at(-1);
  if (!followsLast && last !== undefined && last !== "..") {
    const folder = await followPath(tree, parts.slice(0, -1).join("/"));
    if (folder !== undefined) {
      const path = folder.path === "" ? last : `${folder.path}/${last}`;
      const entry = await tree.stat(path);
      if (entry !== undefined) return { path, entry };
    }
  } else {
    const found = await followPath(tree, parts.join("/"));
    if (found !== undefined) return { path: found.path, entry: found.entry };
  }
  throw new FastboopError({
    kind: "not-found",
    action: `Find "${printable(word)}" in the image`,
    state: "there is no such file or directory",
    hint: "List the directory above it with image ls",
  });
}
