import assert from "node:assert/strict";
import { type ErrorKind, FastboopError } from "../../lib/errors/errors.ts";

/** Runs what must fail with a FastboopError of a kind whose text and hint hold `parts`; gives the error. */
export async function expectError(
  kind: ErrorKind,
  run: () => unknown,
  ...parts: (string | RegExp)[]
): Promise<FastboopError> {
  try {
    await run();
  } catch (error) {
    assert.ok(error instanceof FastboopError, `not a FastboopError: ${error}`);
    const text = `${error.message}\n${error.hint ?? ""}`;
    assert.equal(error.kind, kind, text);
    for (const part of parts) {
      assert.ok(
        typeof part === "string" ? text.includes(part) : part.test(text),
        `${part} in ${text}`,
      );
    }
    return error;
  }
  assert.fail(`no error of kind ${kind}`);
}
