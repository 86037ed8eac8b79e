/** The verbs of the disk cache. */
import { FastboopError } from "../errors/errors.ts";
import type { Command } from "./command.ts";

const UNITS: Record<string, number> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** `500M`, `2GiB`, `1048576`: bytes, or binary multiples of them. */
function size(word: string): number {
  const match = /^(\d{1,15})([KMGT]?)(?:i?B)?$/i.exec(word);
  const bytes = match ? Number(match[1]) * UNITS[match[2]!.toUpperCase()]! : NaN;
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new FastboopError({
    kind: "usage",
    action: "Read a size",
    state: `"${word}" is not a number of bytes, like 500M or 2GiB`,
  });
}

export const CACHE_COMMANDS: readonly Command[] = [
  {
    name: "cache ls",
    summary: "List what is kept of images from URLs",
    words: "",
    options: [{ flags: "--json", text: "one JSON document on standard output" }],
    examples: ["fastboop cache ls", "fastboop cache ls --json"],
    run: async (_words, options) => await (await import("./run_cache.ts")).runCacheLs(options),
  },
  {
    name: "cache prune",
    summary: "Remove what was not used for longest, down to the usual size",
    words: "",
    options: [
      { flags: "--max <size>", text: "keep at most this much, like 2GiB", parse: size },
      { flags: "--all", text: "keep nothing" },
    ],
    examples: ["fastboop cache prune --max 2GiB", "fastboop cache prune --all"],
    run: async (_words, options) => await (await import("./run_cache.ts")).runCachePrune(options),
  },
];
