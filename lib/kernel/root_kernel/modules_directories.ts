/** Which releases a root file system has modules of, and where. */
import type { FileTree } from "../../sources/file_tree.ts";
import { followPath } from "../firmware/follow_path.ts";

/** `uname -r` holds at most 64 bytes; a directory of another name belongs to no kernel. */
const RELEASE = /^[A-Za-z0-9][A-Za-z0-9._+~-]{0,63}$/;
const ROOTS = ["usr/lib/modules", "lib/modules"];
/** One of them makes a directory one of modules; what an uninstalled kernel leaves has none. */
const MARKS = ["modules.dep", "modules.order", "kernel"];
const MAX_RELEASES = 256;

/**
 * Release -> its directory, by its path without links. Of one below `usr/lib` and one below `lib` the first
 * counts; where `lib` is a link they are the same.
 */
export async function modulesDirectories(tree: FileTree): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const seen = new Set<string>();
  for (const root of ROOTS) {
    const at = await followPath(tree, root);
    if (at?.entry.kind !== "directory" || seen.has(at.path)) continue;
    seen.add(at.path);
    for (const { name } of await tree.list(at.path)) {
      if (found.size >= MAX_RELEASES || found.has(name) || !RELEASE.test(name)) continue;
      const directory = await followPath(tree, `${at.path}/${name}`);
      if (directory?.entry.kind !== "directory") continue;
      if (await holdsModules(tree, directory.path)) found.set(name, directory.path);
    }
  }
  return found;
}

async function holdsModules(tree: FileTree, directory: string): Promise<boolean> {
  for (const mark of MARKS) {
    if (await tree.stat(`${directory}/${mark}`) !== undefined) return true;
  }
  return false;
}
