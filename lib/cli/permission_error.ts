import { FastboopError } from "../errors/errors.ts";

/**
 * What Deno refused, with the flag that allows it; any other error as it is.
 *
 * Rooms translate what the system refuses; what Deno itself refuses may escape from anywhere, also from
 * inside a package, and always means the same.
 */
export function permissionError(error: unknown): unknown {
  const refusal = refusalIn(error);
  if (refusal === undefined) return error;
  const flag = /--allow-[a-z]+/.exec(refusal.message)?.[0];
  const hint = flag === undefined ? undefined : `Run again with ${flag}`;
  if (error instanceof FastboopError) {
    if (error.kind !== "permission" || error.hint?.includes(flag ?? "--allow-")) return error;
    return rebuilt(error.action, error.state.split(", run again with")[0]!, hint, error);
  }
  const state = refusal.message.split(", run again with")[0]!;
  return rebuilt("Run fastboop with the permissions given", lowered(state), hint, error);
}

function rebuilt(action: string, state: string, hint: string | undefined, cause: unknown) {
  return new FastboopError({
    kind: "permission",
    action,
    state,
    ...(hint === undefined ? {} : { hint }),
    cause,
  });
}

/** Deno's own refusal, in an error or among its causes. */
function refusalIn(error: unknown): Error | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (at instanceof Deno.errors.NotCapable) return at;
  }
  return undefined;
}

/** "Requires read access to ..." as a state: "it requires read access to ...". */
function lowered(state: string): string {
  return state.replace(/^Requires/, "it requires");
}
