/** One member of a cpio archive, as the writers take it. */
import type { Reader } from "../../sources/reader.ts";

/** A file, directory, symlink, device, FIFO or socket. */
export interface CpioEntry {
  /** Relative, `/`-separated, without a leading slash. */
  readonly path: string;
  /** st_mode: type bits and permissions. */
  readonly mode: number;
  /** Contents of a file, target of a symlink; none for the rest. */
  readonly data?: Uint8Array;
  /** Contents of a file that stays where it is, instead of `data`. */
  readonly source?: CpioSource;
  readonly uid?: number;
  readonly gid?: number;
  readonly deviceMajor?: number;
  readonly deviceMinor?: number;
  /** Number of the hard link group, from 1 on, and how many members it has; both or none. */
  readonly linkGroup?: number;
  readonly linkCount?: number;
}

/** Contents that are read while the archive is written. */
export interface CpioSource {
  readonly sizeBytes: number;
  readonly open: () => Promise<Reader>;
}

/** Type bits of st_mode (include/uapi/linux/stat.h). */
export const TYPE_MASK = 0o170000;
export const TYPE_DIRECTORY = 0o040000;
export const TYPE_FILE = 0o100000;
export const TYPE_SYMLINK = 0o120000;

/** Bytes of its data. */
export function dataBytes(entry: CpioEntry): number {
  return entry.data?.length ?? entry.source?.sizeBytes ?? 0;
}
