/**
 * The one error type of fastboop. Everything from outside (phone, server, image, tree, YAML) that is
 * wrong ends in it; anything else that escapes is a bug and prints as `internal`.
 *
 * Text rules: `action` says what was being done ("Read ext4 superblock of rootfs.img"), `state` what
 * was found ("magic is 0x0000, must be 0xEF53"), `hint` what to do next, in the imperative.
 */

/**
 * What kind of failure it is; the kind alone decides the exit code (exit_codes.ts) and the errno sent
 * to the phone (errno.ts). A timeout has no kind of its own: it is the failure of whoever was silent.
 *
 * - `usage`: the command line is wrong
 * - `not-found`: an input is not there
 * - `unsupported`: an input is of a kind we do not read, or the platform lacks something
 * - `corrupt`: an input breaks its own format
 * - `source`: a server or file failed or changed while it was read
 * - `device`: no phone, or several
 * - `permission`: the operating system or Deno refuses
 * - `refused`: the bootloader said FAIL, garbage or nothing
 * - `lost`: the phone went away after hand-over
 * - `tree`: the kernel tree is not ready
 * - `limit`: a bound of ours was exceeded
 * - `cancelled`: the user stopped it
 * - `internal`: our own fault
 */
export type ErrorKind =
  | "usage"
  | "not-found"
  | "unsupported"
  | "corrupt"
  | "source"
  | "device"
  | "permission"
  | "refused"
  | "lost"
  | "tree"
  | "limit"
  | "cancelled"
  | "internal";

/** The parts of a FastboopError. */
export interface ErrorParts {
  kind: ErrorKind;
  /** What was being done, in the imperative: `Read modules.dep of "/tmp/m"`. */
  action: string;
  /** What was found instead: `the file is empty`. */
  state: string;
  /** What the user can do about it. */
  hint?: string;
  cause?: unknown;
}

/** A failure with a kind, the action, the state found and a hint. */
export class FastboopError extends Error {
  override readonly name = "FastboopError";
  readonly kind: ErrorKind;
  readonly action: string;
  readonly state: string;
  readonly hint: string | undefined;

  constructor(parts: ErrorParts) {
    super(`${parts.action}: ${parts.state}`, { cause: parts.cause });
    this.kind = parts.kind;
    this.action = parts.action;
    this.state = parts.state;
    this.hint = parts.hint;
  }
}

/** The error of an aborted signal: the user stopped it, or a deadline's own FastboopError. */
export function cancelled(action: string, signal?: AbortSignal): FastboopError {
  if (signal?.reason instanceof FastboopError) return signal.reason;
  return new FastboopError({ kind: "cancelled", action, state: "stopped", cause: signal?.reason });
}
