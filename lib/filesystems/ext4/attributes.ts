/**
 * Owner and time of an inode after the image's options: what the encoder and the UUID both go by.
 */
import type { Entry } from "../../sources/file_tree.ts";

/** Times of the tree as they are, or none later than a moment (SOURCE_DATE_EPOCH). */
export type Timestamps = "source" | { readonly clampSeconds: number };

/** Everything owned by 0:0, or as in the tree. */
export type Owner = "root" | "source";

/** Choices that change metadata. */
export interface AttributeOptions {
  readonly timestamps: Timestamps;
  readonly owner: Owner;
}

/** Seconds since 1970, with nanoseconds. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** What 34 bits starting at -2^31 can tell: 1901-12-13 to 2446-05-10. */
const MIN_SECONDS = -(2 ** 31);
const MAX_SECONDS = 2 ** 34 - 2 ** 31 - 1;

/** The time stored for `entry`; times ext4 cannot tell become the nearest it can. */
export function timeOf(entry: Entry, { timestamps }: AttributeOptions): Timestamp {
  const latest = timestamps === "source"
    ? MAX_SECONDS
    : Math.min(timestamps.clampSeconds, MAX_SECONDS);
  if (entry.mtimeSeconds >= latest) {
    const exact = entry.mtimeSeconds === latest && timestamps === "source";
    return { seconds: latest, nanoseconds: exact ? entry.mtimeNanoseconds : 0 };
  }
  if (entry.mtimeSeconds < MIN_SECONDS) return { seconds: MIN_SECONDS, nanoseconds: 0 };
  return { seconds: entry.mtimeSeconds, nanoseconds: entry.mtimeNanoseconds };
}

/** Seconds of the clamp, or 0: the image's own times never come from the clock. */
export function epochOf({ timestamps }: AttributeOptions): number {
  return timestamps === "source" ? 0 : timestamps.clampSeconds;
}
