/** Which partition of a disk is the root: the first reason that leaves exactly one. */
import { printable } from "../bytes/printable.ts";
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import type { Partition } from "./partitions.ts";

/** Partition types of the root and of /usr: the Discoverable Partitions Specification of uapi-group.org. */
const ROOT_TYPES = new Set([
  "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", // x86-64
  "b921b045-1df0-41c3-af44-4c6f280d3fae", // arm64
  "69dad710-2ce4-4e3c-b16c-21a1d49abed3", // arm
]);
const USR_TYPES = new Set([
  "8484680c-9521-48c6-9c11-b0720656f69e", // x86-64
  "b0e01050-ee5f-4390-949a-9101b17104e9", // arm64
  "7d0359a3-02b3-4f0a-865c-654403e70625", // arm
]);
/** Labels that say root, and labels of Android's that such images reuse: only where no other says root. */
const LABELS = [
  new Set(["root", "rootfs", "pmOS_root"]),
  new Set(["system", "userdata"]),
];
/** Candidates an error lists. */
const LISTED = 24;

/** A partition, and what was found on it. */
export interface RootCandidate {
  readonly partition: Partition;
  /** Undefined when it is none of these. */
  readonly filesystem: "erofs" | "ext4" | "fat" | undefined;
  /** Whether there is a /usr, where somebody looked. */
  readonly hasUsr?: boolean;
  /** Whether there is an init, where somebody looked. */
  readonly hasInit?: boolean;
}

export interface Choice {
  readonly candidate: RootCandidate;
  /** Why, for people: `its type is a root's`. */
  readonly reason: string;
}

/** Partitions that only what is on them can tell apart. */
export interface RootContenders {
  readonly pool: readonly RootCandidate[];
  /** Why the one of a pool of one is it. */
  readonly reason: string;
}

/**
 * The partitions that are left when types and file systems have spoken.
 *
 * @throws {FastboopError} `usage` when none is.
 */
export function rootContenders(candidates: readonly RootCandidate[]): RootContenders {
  for (const [types, what] of [[ROOT_TYPES, "the root's"], [USR_TYPES, "/usr's"]] as const) {
    const typed = candidates.filter(({ partition }) => types.has(partition.type.toLowerCase()));
    if (typed.length === 0) continue;
    const pool = typed.filter(isMountable);
    if (pool.length > 0) return { pool, reason: `its type is ${what}` };
    throw undecided(candidates, `the partition of ${what} type holds neither EROFS nor ext4`);
  }
  const pool = candidates.filter(isMountable);
  if (pool.length > 0) return { pool, reason: "it is the only one with EROFS or ext4" };
  throw undecided(candidates, "none holds EROFS or ext4");
}

/**
 * Chooses the root among the partitions of one disk.
 *
 * Reasons in this order: the type, the only EROFS or ext4 file system, a well-known label. Where it is
 * known which trees have an init, the others are out of the question; so are those without a /usr.
 *
 * @throws {FastboopError} `usage` when no reason decides, listing the candidates by their number: the
 * kernel's, from 1, which is what --partition takes.
 */
export function chooseRootPartition(candidates: readonly RootCandidate[]): Choice {
  const { pool, reason } = rootContenders(candidates);
  return narrow(candidates, pool, reason);
}

/** The one of `pool` that nothing speaks against, or that its label names. */
function narrow(
  candidates: readonly RootCandidate[],
  pool: readonly RootCandidate[],
  reason: string,
): Choice {
  if (pool.length === 1) return { candidate: pool[0]!, reason };
  const booting = pool.filter(({ hasInit }) => hasInit === true);
  const whole = pool.filter(({ hasUsr }) => hasUsr !== false);
  const left = booting.length > 0 ? booting : whole.length > 0 ? whole : pool;
  if (left.length === 1) {
    const found = booting.length > 0 ? "an init" : "a /usr";
    return { candidate: left[0]!, reason: `it is the only one with ${found}` };
  }
  for (const labels of LABELS) {
    const named = left.filter(({ partition }) => labels.has(partition.name));
    if (named.length > 1) break;
    if (named.length === 1) {
      return { candidate: named[0]!, reason: `its label is "${named[0]!.partition.name}"` };
    }
  }
  throw undecided(candidates, `${left.length} may be the root`);
}

function isMountable({ filesystem }: RootCandidate): boolean {
  return filesystem === "erofs" || filesystem === "ext4";
}

function undecided(candidates: readonly RootCandidate[], why: string): FastboopError {
  const lines = candidates.slice(0, LISTED).map(({ partition, filesystem }) => {
    const { index, name, sizeBytes } = partition;
    const label = name === "" ? "no label" : `"${printable(name)}"`;
    return `  ${index + 1}: ${label}, ${filesystem ?? "unknown"}, ${formatSize(sizeBytes)}`;
  });
  if (candidates.length > LISTED) lines.push(`  and ${candidates.length - LISTED} more`);
  const list = lines.length > 0 ? `; the partitions are\n${lines.join("\n")}` : "; there are none";
  return new FastboopError({
    kind: "usage",
    action: "Choose the partition of the root file system",
    state: why + list,
    hint: "Name the partition with --partition N",
  });
}
