import { FastboopError } from "../errors/errors.ts";
import type { Options } from "./command.ts";

/**
 * `-o`, or standard output unless that is a terminal.
 *
 * @throws {FastboopError} `usage` for binary data onto a terminal.
 */
export function outputPath(options: Options): string {
  const path = options["output"];
  if (typeof path === "string" && path !== "-") return path;
  if (!Deno.stdout.isTerminal()) return "-";
  throw new FastboopError({
    kind: "usage",
    action: "Write to standard output",
    state: "it is a terminal",
    hint: "Name a file with -o, or redirect the output",
  });
}
