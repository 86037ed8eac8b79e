/** What the disk cache asks of a directory. The host's is host_storage.ts; tests have ones that lose writes. */

/** An open file; every call is positional, several may run at a time. */
export interface StoredBytes {
  /** Fills as much of `into` as there is; the result is how much. */
  read(offsetBytes: number, into: Uint8Array): Promise<number>;
  write(offsetBytes: number, bytes: Uint8Array): Promise<void>;
  /** Marks it as used now; false when it has been removed from its directory. */
  touch(): Promise<boolean>;
  close(): Promise<void>;
}

export interface StoredFile {
  /** `<64 hexadecimal digits>.blocks` or `.trace`. */
  readonly name: string;
  /** What it takes on disk, holes not counted. */
  readonly diskBytes: number;
  /** Of the last use, in milliseconds since 1970. */
  readonly usedMs: number;
}

/** A directory of files by name. Calls reject with the system's own errors. */
export interface CacheStorage {
  /** The cache's own files, nothing else that lies there. */
  list(): Promise<StoredFile[]>;
  /** Opens a file to read, and to write unless `readOnly`; undefined when there is none. */
  open(name: string, options?: { readOnly?: boolean }): Promise<StoredBytes | undefined>;
  /** Makes a file that appears with these bytes, all or nothing; one that is there already stays. */
  create(name: string, bytes: Uint8Array): Promise<void>;
  /** As create(), but what is there is replaced. Whoever has the old one open keeps it. */
  replace(name: string, bytes: Uint8Array): Promise<void>;
  /** Whoever has it open keeps it. */
  remove(name: string): Promise<void>;
  /** Removes unfinished files of programs that were killed. */
  sweep(): Promise<void>;
  /** Undefined when the system does not tell. */
  freeBytes(): Promise<number | undefined>;
}
