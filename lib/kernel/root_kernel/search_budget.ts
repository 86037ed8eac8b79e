import type { UnpackBudget } from "../decompress_kernel.ts";

/** What one search for a kernel may spend, over all the trees it goes through: each image may be a bomb. */
export interface SearchBudget extends UnpackBudget {
  /** Images that were unpacked for nothing. */
  brokenLeft: number;
}

/** The largest kernel that is unpacked, and two of a usual size besides. */
export function searchBudget(): SearchBudget {
  return { leftBytes: 384 << 20, brokenLeft: 3 };
}
