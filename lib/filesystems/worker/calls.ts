/** What main and the image worker ask each other, and how much of it. */
import type { Hint } from "../../images/pipeline/hints.ts";
import type { Pipeline } from "../../images/pipeline/pipeline.ts";
import type { Partition } from "../../images/partitions.ts";
import type { Format } from "../../images/sniff.ts";
import type { ListedPartition } from "../../images/unwrap.ts";
import type { Entry } from "../../sources/file_tree.ts";

/** Bytes of one read; a longer one is split. */
export const READ_BYTES = 4 << 20;
/** A file up to this is small: its bytes come at once, and nothing stays open for it. */
export const SMALL_FILE_BYTES = 128 << 10;
/** Small files of one answer, together no more than a read. */
export const SMALL_FILES = 32;
/** Entries of a directory in one answer. */
export const LISTED_ENTRIES = 4096;

/** A Reader that lies on the other side. */
export interface RemoteHandle {
  readonly id: number;
  readonly sizeBytes: number;
  readonly identity: string;
}

export interface ReadCall {
  readonly id: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** Both sides serve what the other holds open. */
export type SharedCalls = {
  read: { takes: ReadCall; gives: undefined };
  close: { takes: { id: number }; gives: undefined };
};

/** Choices of one opening. */
export interface RemoteOpenOptions {
  readonly partition?: string;
  readonly entry?: string;
  readonly purpose?: "boot" | "inspect";
  readonly cacheBytes?: number;
}

export type RemoteSource =
  | { readonly leaf: RemoteHandle }
  | { readonly pipeline: Pipeline; readonly hints: ReadonlyMap<string, readonly Hint[]> };

/** An image that is open in the worker: its innermost bytes, and what they are. */
export interface RemoteImage extends RemoteHandle {
  readonly steps: readonly string[];
  readonly format: Format | undefined;
  readonly blockSizeBytes: number | undefined;
  readonly partitions: readonly ListedPartition[] | undefined;
  readonly siblings: readonly Partition[] | undefined;
}

/** Part of a directory; `more` names the rest. */
export interface ListedPart {
  readonly entries: readonly Entry[];
  readonly more: number | undefined;
}

/** A file whose bytes come along. */
export interface SmallFile {
  readonly sizeBytes: number;
  readonly identity: string;
}

/** What the worker answers. */
export type WorkerCalls = SharedCalls & {
  open: {
    takes: { source: RemoteSource; options: RemoteOpenOptions; hasSpill: boolean };
    gives: RemoteImage;
  };
  openTree: { takes: { id: number }; gives: { id: number } };
  openSibling: { takes: { id: number; index: number }; gives: RemoteImage | undefined };
  stat: { takes: { id: number; path: string }; gives: Entry | undefined };
  list: { takes: { id: number; path: string }; gives: ListedPart };
  listMore: { takes: { id: number }; gives: ListedPart };
  openFile: { takes: { id: number; path: string }; gives: RemoteHandle };
  /** The small ones of these, one behind the other in the bytes; of none when one cannot be read. */
  readSmall: {
    takes: { id: number; paths: readonly string[] };
    gives: readonly (SmallFile | undefined)[];
  };
};

/** What main answers. It opens nothing that it has not been told of by whoever asked for the image. */
export type MainCalls = SharedCalls & {
  /** A leaf of the pipeline being opened, by its identity. */
  openLeaf: { takes: { identity: string }; gives: RemoteHandle };
  /** A chunk of a casync leaf; without bytes when there is none. */
  readChunk: { takes: { store: string; path: string; limitBytes: number }; gives: undefined };
  decodeXz: { takes: { limitBytes: number }; gives: undefined };
  openSpill: { takes: undefined; gives: { id: number } };
  writeSpill: { takes: { id: number; offsetBytes: number }; gives: undefined };
  readSpill: { takes: ReadCall; gives: undefined };
};
