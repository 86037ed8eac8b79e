/** Exit codes, documented in the README: scripts and `git bisect run` branch on them. */
import type { ErrorKind } from "./errors.ts";

const EXIT_CODES: Record<ErrorKind, number> = {
  internal: 1,
  usage: 2,
  "not-found": 3,
  unsupported: 3,
  corrupt: 4,
  source: 5,
  device: 6,
  permission: 7,
  refused: 8,
  lost: 9,
  tree: 10,
  limit: 11,
  cancelled: 130,
};

/** Exit code of a kind; a SIGTERM ends with 143 instead of 130, which the CLI decides. */
export function exitCode(kind: ErrorKind): number {
  return EXIT_CODES[kind];
}
