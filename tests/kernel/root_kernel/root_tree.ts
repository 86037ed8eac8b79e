/** Root file systems in memory, links followed as an image follows them, and every opened path noted. */
import { FastboopError } from "../../../lib/errors/errors.ts";
import { followPath } from "../../../lib/kernel/firmware/follow_path.ts";
import type { Entry } from "../../../lib/sources/file_tree.ts";
import type { Reader } from "../../../lib/sources/reader.ts";
import {
  type Children,
  directory,
  file,
  MemoryTree,
  type Node,
  symlink,
} from "../../filesystems/memory_tree.ts";

/** A link's target. */
export class Link {
  constructor(readonly target: string) {}
}

export type RootFiles = Record<string, string | Uint8Array | Link>;

class RootTree extends MemoryTree {
  override async open(path: string, entry?: Entry): Promise<Reader> {
    const at = entry === undefined ? await followPath(this, path) : { path, entry };
    if (at?.entry.kind === "file") return await super.open(at.path);
    const state = "there is no such file";
    throw new FastboopError({ kind: "not-found", action: `Open "${path}"`, state });
  }
}

/** A tree of `files` by their paths; folders come by themselves. */
export function rootTree(files: RootFiles): MemoryTree {
  const top: Children = {};
  for (const [path, content] of Object.entries(files)) {
    const names = path.split("/");
    const last = names.pop()!;
    let folder = new Map<string, Node>();
    const first = names.shift();
    if (first === undefined) {
      top[last] = nodeOf(content);
      continue;
    }
    top[first] ??= directory();
    folder = top[first]!.children!;
    for (const name of names) {
      if (!folder.has(name)) folder.set(name, directory());
      folder = folder.get(name)!.children!;
    }
    folder.set(last, nodeOf(content));
  }
  return new RootTree(directory(top));
}

function nodeOf(content: string | Uint8Array | Link): Node {
  return content instanceof Link ? symlink(content.target) : file(content);
}
