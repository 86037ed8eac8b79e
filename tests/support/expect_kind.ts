import assert from "node:assert/strict";
import { type ErrorKind, FastboopError } from "../../lib/errors/errors.ts";

/** For assert.throws and assert.rejects: a FastboopError of this kind, whose message matches. */
export function ofKind(kind: ErrorKind, message?: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof FastboopError, `not a FastboopError: ${error}`);
    assert.equal(error.kind, kind, error.message);
    if (message !== undefined) assert.match(`${error.message}\n${error.hint ?? ""}`, message);
    return true;
  };
}
