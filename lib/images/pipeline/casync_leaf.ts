import type { Leaf } from "./pipeline.ts";

/** The index of a casync leaf as a leaf of its own: a URL of a server, or a path. */
export function casyncIndexLeaf(index: string): Extract<Leaf, { kind: "http" | "file" }> {
  return /^https?:\/\//i.test(index)
    ? { kind: "http", url: index, corsSafelistedMode: false }
    : { kind: "file", path: index };
}
