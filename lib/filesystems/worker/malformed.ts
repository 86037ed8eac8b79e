import { FastboopError } from "../../errors/errors.ts";

/** An answer that no reader of ours gives: the other side may send anything. */
export function malformed(action: string): FastboopError {
  const state = "the image's reader answered what makes no sense";
  return new FastboopError({ kind: "internal", action, state });
}
