/** A path of a tree followed component by component, with every link it goes through. */
import type { Entry, FileTree } from "../../sources/file_tree.ts";

export interface FollowedPath {
  /** Links on the way, outermost first, by their own paths. */
  readonly links: readonly { path: string; entry: Entry }[];
  /** What lies at the end, by its path without links. */
  readonly path: string;
  readonly entry: Entry;
}

/** The kernel's own bound (include/linux/namei.h, MAXSYMLINKS). */
const MAX_LINKS = 40;
const MAX_DEPTH = 256;
/** PATH_MAX. */
const MAX_TARGET_CHARACTERS = 4096;

/**
 * Follows `path`, or gives undefined when it leads nowhere. Links stay inside the tree: an absolute target
 * starts at its root and `..` ends there, as after chroot(2).
 */
export async function followPath(tree: FileTree, path: string): Promise<FollowedPath | undefined> {
  const links: { path: string; entry: Entry }[] = [];
  const pending = path.split("/").reverse();
  let at: string[] = [];
  let entry = await tree.stat("");
  while (pending.length > 0) {
    const name = pending.pop()!;
    if (name === "" || name === ".") continue;
    if (name === "..") {
      at.pop();
      continue;
    }
    const here = [...at, name].join("/");
    entry = await tree.stat(here);
    if (entry === undefined) return undefined;
    if (entry.kind === "symlink") {
      const target = entry.linkTarget ?? "";
      if (links.length >= MAX_LINKS || target.length > MAX_TARGET_CHARACTERS) return undefined;
      links.push({ path: here, entry });
      if (target.startsWith("/")) at = [];
      pending.push(...target.split("/").reverse());
      continue;
    }
    at.push(name);
    const isLast = pending.every((part) => part === "" || part === ".");
    if ((entry.kind !== "directory" && !isLast) || at.length > MAX_DEPTH) return undefined;
  }
  const end = at.join("/");
  const found = await tree.stat(end);
  return found && { links, path: end, entry: found };
}
