import type { Entry } from "../../sources/file_tree.ts";

const KINDS: ReadonlySet<unknown> = new Set<Entry["kind"]>([
  ...["file", "directory", "symlink", "fifo", "socket"] as const,
  ...["character-device", "block-device"] as const,
]);
const INTEGERS = ["mode", "uid", "gid", "sizeBytes"] as const;

/** Whether what the image worker sent has the form of an Entry; not whether it makes sense. */
export function isEntry(value: unknown): value is Entry {
  if (typeof value !== "object" || value === null) return false;
  const entry = value as Record<keyof Entry, unknown>;
  const { hardLinkKey = "", linkTarget = "", deviceMajor = 0, deviceMinor = 0, xattrs } = entry;
  return typeof entry.name === "string" && KINDS.has(entry.kind) &&
    INTEGERS.every((key) => Number.isInteger(entry[key])) &&
    typeof entry.mtimeSeconds === "number" && typeof entry.mtimeNanoseconds === "number" &&
    typeof hardLinkKey === "string" && typeof linkTarget === "string" &&
    Number.isInteger(deviceMajor) && Number.isInteger(deviceMinor) &&
    (xattrs === undefined || xattrs instanceof Map);
}
