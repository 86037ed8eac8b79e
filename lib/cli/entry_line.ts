/** One name of an image as `ls -l` tells it, and as JSON. */
import { printable } from "../bytes/printable.ts";
import type { Entry, EntryKind } from "../sources/file_tree.ts";

const KIND_LETTERS: Record<EntryKind, string> = {
  "file": "-",
  "directory": "d",
  "symlink": "l",
  "character-device": "c",
  "block-device": "b",
  "fifo": "p",
  "socket": "s",
};

/** Mode, owner, group, size or device numbers, time in UTC, name and link target. */
export function entryLine(entry: Entry, shownName: string): string {
  const { kind, uid, gid, sizeBytes, deviceMajor = 0, deviceMinor = 0, linkTarget } = entry;
  const isDevice = kind === "character-device" || kind === "block-device";
  const size = isDevice ? `${deviceMajor}, ${deviceMinor}` : String(sizeBytes);
  const target = linkTarget === undefined ? "" : ` -> ${printable(linkTarget)}`;
  const columns = [
    KIND_LETTERS[kind] + modeLetters(entry.mode),
    String(uid).padStart(5),
    String(gid).padStart(5),
    size.padStart(10),
    utcTime(entry.mtimeSeconds),
  ];
  return `${columns.join(" ")} ${printable(shownName)}${target}`;
}

/** The same as JSON; `path` is the full one. */
export function entryJson(entry: Entry, path: string): Record<string, unknown> {
  const { stamp: _, xattrs, name: __, mode, mtimeNanoseconds, ...rest } = entry;
  return {
    path,
    ...rest,
    mode: mode.toString(8).padStart(4, "0"),
    mtimeNanoseconds,
    ...(xattrs === undefined ? {} : {
      xattrs: Object.fromEntries([...xattrs].map(([name, value]) => [name, value.toBase64()])),
    }),
  };
}

function modeLetters(mode: number): string {
  const triplet = (bits: number, isSpecial: boolean, letter: string) => {
    const execute = bits & 1 ? (isSpecial ? letter : "x") : isSpecial ? letter.toUpperCase() : "-";
    return `${bits & 4 ? "r" : "-"}${bits & 2 ? "w" : "-"}${execute}`;
  };
  return triplet((mode >> 6) & 7, (mode & 0o4000) !== 0, "s") +
    triplet((mode >> 3) & 7, (mode & 0o2000) !== 0, "s") +
    triplet(mode & 7, (mode & 0o1000) !== 0, "t");
}

/** `2026-11-21 13:00:00`; seconds themselves where no calendar reaches. */
function utcTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9999 || date.getUTCFullYear() < 0) {
    return `@${seconds}`.padStart(19);
  }
  return date.toISOString().slice(0, 19).replace("T", " ");
}
