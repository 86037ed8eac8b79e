/** Ctrl-C and SIGTERM as one AbortSignal; a second one ends the process at once. */
import { FastboopError } from "../errors/errors.ts";

export interface Signals {
  readonly signal: AbortSignal;
  /** 130 after SIGINT, 143 after SIGTERM. */
  exitCode(): number;
  release(): void;
}

export function catchSignals(): Signals {
  const controller = new AbortController();
  let code = 130;
  const handler = (name: "SIGINT" | "SIGTERM") => () => {
    if (controller.signal.aborted) Deno.exit(code);
    code = name === "SIGINT" ? 130 : 143;
    controller.abort(
      new FastboopError({ kind: "cancelled", action: "Run fastboop", state: `stopped by ${name}` }),
    );
  };
  const handlers = [["SIGINT", handler("SIGINT")], ["SIGTERM", handler("SIGTERM")]] as const;
  for (const [name, listener] of handlers) Deno.addSignalListener(name, listener);
  return {
    signal: controller.signal,
    exitCode: () => code,
    release: () => {
      for (const [name, listener] of handlers) Deno.removeSignalListener(name, listener);
    },
  };
}
