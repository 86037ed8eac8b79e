import assert from "node:assert/strict";
import { untilAborted } from "../../lib/sources/until_aborted.ts";

Deno.test("untilAborted() gives what comes first, and takes a rejection that comes later", async () => {
  const reason = new Error("stopped");
  const aborted = AbortSignal.abort(reason);
  assert.equal(await untilAborted(Promise.resolve(1)), 1);
  assert.equal(await untilAborted(Promise.resolve(1), new AbortController().signal), 1);
  for (const when of ["before", "meanwhile"]) {
    const stop = new AbortController();
    const late = Promise.withResolvers<void>();
    const waiting = untilAborted(late.promise, when === "before" ? aborted : stop.signal);
    stop.abort(reason);
    await assert.rejects(waiting, reason);
    late.reject(new Error("late"));
    // A rejection without a taker would end this test here.
    await new Promise((resolve) => setTimeout(resolve));
  }
});
