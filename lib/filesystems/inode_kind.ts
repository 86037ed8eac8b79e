import type { EntryKind } from "../sources/file_tree.ts";

/** st_mode type bits (include/uapi/linux/stat.h). */
const KIND_OF_TYPE: Record<number, EntryKind> = {
  0o01: "fifo",
  0o02: "character-device",
  0o04: "directory",
  0o06: "block-device",
  0o10: "file",
  0o12: "symlink",
  0o14: "socket",
};

/** The kind a 16-bit st_mode tells; undefined when it is none. */
export function inodeKind(mode: number): EntryKind | undefined {
  return KIND_OF_TYPE[mode >>> 12];
}
