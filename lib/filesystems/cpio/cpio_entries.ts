import { cancelled, FastboopError } from "../../errors/errors.ts";
import type { Entry, FileTree } from "../../sources/file_tree.ts";
import { TREE_LIMITS, type TreeLimits } from "../limits.ts";
import type { CpioEntry } from "./entry.ts";

/** Options of a walk. */
export interface CpioEntriesOptions {
  /** Everything owned by 0:0, or as in the tree; `root` by default. */
  owner?: "root" | "source";
  limits?: TreeLimits;
  signal?: AbortSignal | undefined;
}

const MODE_BITS: Record<Entry["kind"], number> = {
  "file": 0o100000,
  "directory": 0o040000,
  "character-device": 0o020000,
  "block-device": 0o060000,
  "fifo": 0o010000,
  "socket": 0o140000,
  "symlink": 0o120000,
};

/** How long the walk may keep the event loop: a signal must be able to arrive. */
const YIELD_AFTER_MS = 50;

type Walked = { -readonly [Key in keyof CpioEntry]: CpioEntry[Key] };

const encoder = new TextEncoder();

/**
 * Members for all of `tree` but its root: directories in preorder, then the rest in preorder.
 *
 * Of a hard link group only the last member carries the data, as cpio(1) writes it: the kernel takes it
 * from any member, cpio(1) only from the last. Files with one link get inode number 0; groups get a number
 * each, since two groups with the same one would become one file.
 */
export async function cpioEntries(
  tree: FileTree,
  options: CpioEntriesOptions = {},
): Promise<CpioEntry[]> {
  const limits = options.limits ?? TREE_LIMITS;
  const directories: Walked[] = [];
  const others: Walked[] = [];
  const groups = new Map<string, Walked[]>();
  const pending = [""];
  let yieldedAt = performance.now();
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (performance.now() - yieldedAt > YIELD_AFTER_MS) {
      await new Promise((resolve) => setTimeout(resolve));
      yieldedAt = performance.now();
    }
    if (options.signal?.aborted) throw cancelled("List the tree for cpio", options.signal);
    const children: string[] = [];
    for (const entry of await tree.list(path)) {
      const entryPath = path === "" ? entry.name : `${path}/${entry.name}`;
      const member = toMember(tree, entryPath, entry, options);
      if (entry.kind === "directory") {
        directories.push(member);
        children.push(member.path);
        continue;
      }
      others.push(member);
      if (entry.hardLinkKey !== undefined) addToGroup(groups, entry.hardLinkKey, member);
    }
    for (let i = children.length - 1; i >= 0; i--) pending.push(children[i]!);
    if (directories.length + others.length > limits.entryCount) throw tooMany(limits.entryCount);
  }
  joinGroups(others, groups);
  return [...directories, ...others];
}

function toMember(
  tree: FileTree,
  path: string,
  entry: Entry,
  options: CpioEntriesOptions,
): Walked {
  const member: Walked = { path, mode: MODE_BITS[entry.kind] | (entry.mode & 0o7777) };
  if (options.owner === "source") {
    member.uid = entry.uid;
    member.gid = entry.gid;
  }
  if (entry.kind === "file" && entry.sizeBytes > 0) {
    member.source = { sizeBytes: entry.sizeBytes, open: () => tree.open(path, entry) };
  } else if (entry.kind === "symlink") {
    member.data = encoder.encode(entry.linkTarget ?? "");
  } else if (entry.deviceMajor !== undefined && entry.deviceMinor !== undefined) {
    member.deviceMajor = entry.deviceMajor;
    member.deviceMinor = entry.deviceMinor;
  }
  return member;
}

function addToGroup(groups: Map<string, Walked[]>, key: string, member: Walked): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [member]);
  else group.push(member);
}

/** Symlinks keep their target on every member: the kernel does not link those. */
function joinGroups(others: readonly Walked[], groups: ReadonlyMap<string, Walked[]>): void {
  // Numbered by the last member's place, which depends on names alone.
  const byLast = new Map([...groups.values()].map((group) => [group.at(-1)!, group]));
  let linkGroup = 0;
  for (const member of others) {
    const group = byLast.get(member);
    if (group === undefined || group.length < 2 || member.mode >> 12 === 0o12) continue;
    linkGroup++;
    for (const link of group) {
      link.linkGroup = linkGroup;
      link.linkCount = group.length;
      if (link !== member) delete link.source;
    }
  }
}

function tooMany(entryCount: number): FastboopError {
  return new FastboopError({
    kind: "limit",
    action: "List the tree for cpio",
    state: `it has more than ${entryCount} entries`,
  });
}
