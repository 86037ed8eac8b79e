/** The errno a failed read becomes on the phone (include/uapi/asm-generic/errno-base.h, errno.h). */
import type { ErrorKind } from "./errors.ts";

const EIO = 5;
export const EINVAL = 22;
export const EOPNOTSUPP = 95;

/** Errno of a kind: a request beyond a limit is the phone's mistake, everything else an I/O error. */
export function errnoOf(kind: ErrorKind): number {
  if (kind === "limit" || kind === "usage") return EINVAL;
  if (kind === "unsupported") return EOPNOTSUPP;
  return EIO;
}
