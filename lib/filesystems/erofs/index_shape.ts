import type { FastboopError } from "../../errors/errors.ts";
import { damaged } from "../damaged.ts";
import type { ClusterHeader } from "./cluster_header.ts";

/** What an index says about its file. */
export interface IndexShape {
  /** The inode, for errors. */
  readonly ref: number;
  readonly header: ClusterHeader;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly clusterBytes: number;
  /** Where the index starts in its space, behind the header (and the gap of the full form). */
  readonly offset: number;
}

/** What is being done when an index is read. */
export function indexAction(ref: number): string {
  return `Read the index of EROFS inode ${Math.floor(ref / 2)}`;
}

/** The error of an index that breaks the format. */
export function damagedIndex({ ref }: { readonly ref: number }, state: string): FastboopError {
  return damaged(indexAction(ref), state);
}
