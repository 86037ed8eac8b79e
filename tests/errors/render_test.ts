import assert from "node:assert/strict";
import { EINVAL, EOPNOTSUPP, errnoOf } from "../../lib/errors/errno.ts";
import { cancelled, FastboopError } from "../../lib/errors/errors.ts";
import { exitCode } from "../../lib/errors/exit_codes.ts";
import { renderError } from "../../lib/errors/render.ts";

const parts = { kind: "source", action: "Read a.img", state: "it ended" } as const;

Deno.test("renderError() shows action, state and hint, each line for itself", () => {
  assert.deepEqual(renderError(new FastboopError(parts)), ["error: Read a.img: it ended"]);
  const state = "two pieces are missing:\n  a\n  b";
  assert.deepEqual(renderError(new FastboopError({ ...parts, state, hint: "Get a\nand b" })), [
    "error: Read a.img: two pieces are missing:",
    "  a",
    "  b",
    "hint: Get a",
    "      and b",
  ]);
  assert.match(
    renderError(new TypeError("x is undefined"))[0]!,
    /^error: TypeError: x is undefined$/,
  );
  assert.match(renderError("text").join("\n"), /^error: text\nhint: this is a fault of fastboop/);
});

Deno.test("renderError() lets no control character through, wherever it stands", () => {
  const bad = "\x1b[2J\r\x9b\u202e";
  const errors = [
    new FastboopError({ kind: "corrupt", action: bad, state: bad, hint: bad }),
    new FastboopError({ kind: "cancelled", action: "x", state: bad, hint: bad }),
    new Error(bad),
    bad,
  ];
  for (const error of errors) {
    for (const line of renderError(error)) assert.doesNotMatch(line, /[^ -~]/);
  }
});

Deno.test('cancelled() keeps the reason that is an error of ours, and renders without "error"', () => {
  const reason = new FastboopError(parts);
  assert.equal(cancelled("Read", AbortSignal.abort(reason)), reason);
  const stopped = cancelled("Read", AbortSignal.abort("Ctrl-C"));
  assert.deepEqual([stopped.kind, stopped.cause], ["cancelled", "Ctrl-C"]);
  assert.deepEqual(renderError(stopped), ["stopped"]);
});

Deno.test("a kind decides exit code and errno", () => {
  assert.equal(exitCode("cancelled"), 130);
  assert.deepEqual([exitCode("not-found"), exitCode("unsupported"), exitCode("limit")], [3, 3, 11]);
  assert.deepEqual([errnoOf("limit"), errnoOf("usage")], [EINVAL, EINVAL]);
  assert.equal(errnoOf("unsupported"), EOPNOTSUPP);
  for (const kind of ["source", "corrupt", "internal", "cancelled"] as const) {
    assert.equal(errnoOf(kind), 5);
  }
});
