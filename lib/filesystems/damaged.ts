import { FastboopError } from "../errors/errors.ts";

/** The error of an image that breaks its own format: what was being read, and what was found there. */
export function damaged(action: string, state: string): FastboopError {
  return new FastboopError({
    kind: "corrupt",
    action,
    state,
    hint: "Check the image, for example with the fsck of its format, or fetch it again",
  });
}
