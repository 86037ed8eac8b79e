/** Where the modules of a root file system lie. */
import { FastboopError } from "../errors/errors.ts";
import type { FileTree } from "../sources/file_tree.ts";

/**
 * The directory of `release`, or of the only release there is, below `usr/lib/modules` or `lib/modules`.
 *
 * @throws {FastboopError} `not-found` when there is none, `usage` when there are several.
 */
export async function findModulesDirectory(tree: FileTree, release?: string): Promise<string> {
  const found: string[] = [];
  for (const root of ["usr/lib/modules", "lib/modules"]) {
    // A merged file system has a link at lib; its target is looked at first.
    if ((await tree.stat(root))?.kind !== "directory") continue;
    for (const { name, kind } of await tree.list(root)) {
      if (kind === "directory" && (release === undefined || name === release)) {
        found.push(`${root}/${name}`);
      }
    }
  }
  if (found.length === 1) return found[0]!;
  const names = found.map((path) => path.slice(path.lastIndexOf("/") + 1));
  throw new FastboopError({
    kind: found.length === 0 ? "not-found" : "usage",
    action: "Find the modules of the root file system",
    state: found.length === 0
      ? `neither usr/lib/modules nor lib/modules has ${release ?? "a release"}`
      : `it has those of ${names.join(", ")}`,
    hint: found.length === 0 ? "Pass --modules-dir or --kernel" : "Pass --release RELEASE",
  });
}
