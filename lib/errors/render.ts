/** An error as the lines a person reads: what was done, what was found, what to do next. */
import { printable } from "../bytes/printable.ts";
import { FastboopError } from "./errors.ts";

/**
 * Lines for stderr, without a stack trace. Text from outside is made printable; a state of several
 * lines (a list of missing pieces) keeps its lines.
 */
export function renderError(error: unknown): string[] {
  if (!(error instanceof FastboopError)) {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return [
      `error: ${printable(text)}`,
      "hint: this is a fault of fastboop; run again with FASTBOOP_DEBUG=1 and report what it prints",
    ];
  }
  // Who pressed Ctrl-C knows what was being done, and that it is no error.
  if (error.kind === "cancelled") {
    return [error.state, ...error.hint === undefined ? [] : error.hint.split("\n")].map(printable);
  }
  const lines = error.message.split("\n").map(printable);
  lines[0] = `error: ${lines[0]}`;
  if (error.hint) {
    const [first, ...rest] = error.hint.split("\n").map(printable);
    lines.push(`hint: ${first}`, ...rest.map((line) => `      ${line}`));
  }
  return lines;
}
