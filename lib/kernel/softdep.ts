/** Soft dependencies: modules to load before and after one that does not link against them. */
export interface Softdep {
  /** Names or aliases, in order. */
  readonly pre: readonly string[];
  readonly post: readonly string[];
}

/** Reads `pre: a b post: c` (modprobe.d(5)); words before the first marker are ignored. */
export function parseSoftdep(text: string): Softdep {
  const pre: string[] = [];
  const post: string[] = [];
  let into: string[] | undefined;
  for (const word of text.split(/[\s,]+/)) {
    if (word === "pre:") into = pre;
    else if (word === "post:") into = post;
    else if (word !== "") into?.push(word);
  }
  return { pre, post };
}

/** Reads the words of a weak dependency: `b c`. */
export function parseWeakdep(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}
