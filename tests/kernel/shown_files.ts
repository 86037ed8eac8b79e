import assert from "node:assert/strict";
import type { FileTree } from "../../lib/sources/file_tree.ts";

/**
 * Paths of all files of a tree that is to become a modules image; fails unless `stat` and `list` agree and
 * all belongs to root, with plain modes and no times.
 */
export async function shownFiles(tree: FileTree, path = ""): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await tree.list(path)) {
    const child = path === "" ? entry.name : `${path}/${entry.name}`;
    assert.deepEqual(await tree.stat(child), entry, child);
    const mode = entry.kind === "directory" ? 0o755 : 0o644;
    assert.deepEqual([entry.mode, entry.uid, entry.gid, entry.mtimeSeconds], [mode, 0, 0, 0]);
    if (entry.kind === "directory") found.push(...await shownFiles(tree, child));
    else found.push(child);
  }
  return found;
}
