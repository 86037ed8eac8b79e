import { compareUtf8 } from "../../bytes/compare.ts";
import { FastboopError } from "../../errors/errors.ts";
import { type CpioEntry, TYPE_DIRECTORY, TYPE_MASK } from "./entry.ts";

const PARENT_MODE = TYPE_DIRECTORY | 0o755;

/**
 * Members in the one order the kernel needs and the archive's bytes depend on: directories first, the
 * missing ones on the way added, then the rest; each sorted by the path's bytes.
 *
 * @throws {FastboopError} `usage` when a path is there twice or lies below something else.
 */
export function orderEntries(entries: readonly CpioEntry[]): CpioEntry[] {
  const byPath = new Map<string, CpioEntry>();
  for (const entry of entries) {
    if (byPath.has(entry.path)) throw refuse(entry.path, "it is there twice");
    byPath.set(entry.path, entry);
  }
  for (const { path } of entries) addParents(path, byPath);
  const ordered = [...byPath.values()].sort((a, b) => compareUtf8(a.path, b.path));
  return [...ordered.filter(isDirectory), ...ordered.filter((entry) => !isDirectory(entry))];
}

function addParents(path: string, byPath: Map<string, CpioEntry>): void {
  for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
    const parent = path.slice(0, end);
    const known = byPath.get(parent);
    if (known !== undefined && !isDirectory(known)) {
      throw refuse(path, `"${parent}" is not a directory`);
    }
    if (known === undefined) byPath.set(parent, { path: parent, mode: PARENT_MODE });
  }
}

function isDirectory({ mode }: CpioEntry): boolean {
  return (mode & TYPE_MASK) === TYPE_DIRECTORY;
}

function refuse(path: string, state: string): FastboopError {
  return new FastboopError({ kind: "usage", action: `Add "${path}" to the cpio archive`, state });
}
