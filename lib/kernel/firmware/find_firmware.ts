/**
 * One firmware name, or glob of names, looked up as the kernel does: in `updates/<release>`, `updates`,
 * `<release>` and the directory itself, plain before `.zst` before `.xz`.
 *
 * Source: drivers/base/firmware_loader/main.c (fw_path[], _request_firmware()).
 */
import type { FileTree } from "../../sources/file_tree.ts";
import { aliasMatches } from "../alias_matches.ts";
import { type FollowedPath, followPath } from "./follow_path.ts";

/** Where firmware lies. */
export interface FirmwareRoot {
  readonly tree: FileTree;
  /** Directory of `tree`: `usr/lib/firmware`, or "" for the tree itself. */
  readonly directory: string;
  readonly release: string;
}

/** A file, and the path under which the kernel would have asked for it. */
export interface FoundFirmware extends FollowedPath {
  readonly askedPath: string;
}

const SUFFIXES = ["", ".zst", ".xz"];
/** Matches of one glob; linux-firmware has 5 000 files. */
const MAX_MATCHES = 16_384;

/** Files behind `name`, none when there is none. A name that leaves the directory is none. */
export async function findFirmware(root: FirmwareRoot, name: string): Promise<FoundFirmware[]> {
  const parts = name.split("/");
  if (name === "" || name.length > 512 || parts.some((p) => p === "" || p === "." || p === "..")) {
    return [];
  }
  if (!/[*?[]/.test(name)) {
    const found = await lookUp(root, name);
    return found === undefined ? [] : [found];
  }
  const names = new Set<string>();
  for (const folder of folders(root)) {
    for (const match of await expand(root.tree, folder, parts)) names.add(match);
  }
  const found: FoundFirmware[] = [];
  for (const match of [...names].sort()) {
    const file = await lookUp(root, match);
    if (file !== undefined) found.push(file);
  }
  return found;
}

function folders({ directory, release }: FirmwareRoot): string[] {
  const prefix = directory === "" ? "" : `${directory}/`;
  return [`${prefix}updates/${release}`, `${prefix}updates`, `${prefix}${release}`, directory];
}

async function lookUp(root: FirmwareRoot, name: string): Promise<FoundFirmware | undefined> {
  for (const suffix of SUFFIXES) {
    for (const folder of folders(root)) {
      const path = folder === "" ? name + suffix : `${folder}/${name}${suffix}`;
      const found = await followPath(root.tree, path);
      if (found?.entry.kind === "file") return { ...found, askedPath: path };
    }
  }
  return undefined;
}

/** Names below `folder` that a glob matches, part by part, without the suffix of a compression. */
async function expand(tree: FileTree, folder: string, glob: readonly string[]): Promise<string[]> {
  let names = [""];
  for (const [depth, part] of glob.entries()) {
    const isLast = depth === glob.length - 1;
    const next: string[] = [];
    for (const name of names) {
      const path = [folder, name].filter((p) => p !== "").join("/");
      const at = await followPath(tree, path);
      if (at?.entry.kind !== "directory") continue;
      for (const entry of await tree.list(at.path)) {
        const plain = isLast ? entry.name.replace(/\.(zst|xz)$/, "") : entry.name;
        if (!aliasMatches(part, plain) && !aliasMatches(part, entry.name)) continue;
        if (isLast && entry.kind === "directory") continue;
        const matched = aliasMatches(part, plain) ? plain : entry.name;
        next.push(name === "" ? matched : `${name}/${matched}`);
        if (next.length >= MAX_MATCHES) return next;
      }
    }
    names = next;
  }
  return names;
}
