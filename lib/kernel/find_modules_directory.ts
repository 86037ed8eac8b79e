/** Where the modules of a root file system lie. */
import { FastboopError } from "../errors/errors.ts";
import type { FileTree } from "../sources/file_tree.ts";
import { modulesDirectories } from "./root_kernel/modules_directories.ts";

/**
 * The directory of `release`, or of the only release there is, below `usr/lib/modules` or `lib/modules`; its
 * path is without links.
 *
 * @throws {FastboopError} `not-found` when there is none, `usage` when there are several.
 */
export async function findModulesDirectory(tree: FileTree, release?: string): Promise<string> {
  const all = await modulesDirectories(tree);
  const names = release === undefined ? [...all.keys()] : [release].filter((r) => all.has(r));
  if (names.length === 1) return all.get(names[0]!)!;
  throw new FastboopError({
    kind: names.length === 0 ? "not-found" : "usage",
    action: "Find the modules of the root file system",
    state: names.length === 0
      ? `neither usr/lib/modules nor lib/modules has ${release ?? "a release"}`
      : `it has those of ${names.join(", ")}`,
    hint: names.length === 0 ? "Pass --modules-dir or --kernel" : "Pass --release RELEASE",
  });
}
