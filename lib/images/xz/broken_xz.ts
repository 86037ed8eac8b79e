import { FastboopError } from "../../errors/errors.ts";

/** The error of an xz file that breaks its format. */
export function brokenXz(
  state: string,
  kind: "corrupt" | "limit" | "unsupported" = "corrupt",
): FastboopError {
  return new FastboopError({ kind, action: "Decompress xz", state });
}
