/** The contract of a directory tree somebody can walk: a host directory, a rootfs image, a cpio. */
import type { Reader } from "./reader.ts";

export type EntryKind =
  | "file"
  | "directory"
  | "symlink"
  | "character-device"
  | "block-device"
  | "fifo"
  | "socket";

/** One name in a directory, with what `lstat` says about it. */
export interface Entry {
  /** One path component, valid UTF-8; "" for the root itself. */
  readonly name: string;
  readonly kind: EntryKind;
  /** Permission bits, 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a file, length of a symlink's target, else 0. */
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  /** Set when the inode has several links: equal keys are one inode. */
  readonly hardLinkKey?: string;
  readonly deviceMajor?: number;
  readonly deviceMinor?: number;
  /** Target of a symlink, as stored. */
  readonly linkTarget?: string;
  /** Extended attributes by full name, where the tree can tell them. */
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  /** The tree's own proof of identity: opening with this entry fails when the file has changed since. */
  readonly stamp?: unknown;
}

/** A directory tree. Paths are relative, `/`-separated, without a leading slash; "" is the root. */
export interface FileTree extends AsyncDisposable {
  /** lstat: links are not followed. Undefined when there is nothing. */
  stat(path: string): Promise<Entry | undefined>;
  /** Names of a directory, sorted bytewise (UTF-8). */
  list(path: string): Promise<Entry[]>;
  /**
   * Bytes of a regular file. With `entry` (as `stat` or `list` gave it) the reader answers `source`
   * as soon as the file is no longer the one that was listed.
   */
  open(path: string, entry?: Entry): Promise<Reader>;
}
