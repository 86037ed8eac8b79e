import assert from "node:assert/strict";
import { FastboopError } from "../../lib/errors/errors.ts";
import { FuzzFailure, runCases } from "./run_cases.ts";
import { TARGETS } from "./targets.ts";

const CASES = 20_000;

for (const target of TARGETS) {
  const inputs = await target.seeds();
  Deno.test({
    name: `${target.name} ends in a value or a typed error for ${CASES} damaged inputs`,
    ignore: inputs.length === 0,
    async fn() {
      for (const input of inputs) await target.parse(input.slice());
      const tally = await runCases(target, inputs, 1, CASES);
      assert.ok(tally.refused > CASES / 100, `only ${tally.refused} were refused`);
    },
  });
}

Deno.test("runCases() sees an error without a type, a slow case and a parser that never refuses", async () => {
  const input = Uint8Array.from({ length: 64 }, (_, i) => i * 7);
  const target = (parse: (bytes: Uint8Array) => void) => ({
    ...{ name: "x", seeds: () => Promise.resolve([input]), parse },
  });
  const untyped = target((bytes) => {
    if (bytes[5] !== input[5]) throw new RangeError("offset is out of bounds");
  });
  await assert.rejects(runCases(untyped, [input], 1, 2000), FuzzFailure);
  const slow = target(() => {
    const end = performance.now() + 1010;
    while (performance.now() < end);
  });
  await assert.rejects(runCases(slow, [input], 1, 10), /took/);
  const typed = target((bytes) => {
    if (bytes.length < 64) {
      throw new FastboopError({ kind: "corrupt", action: "Read", state: "it is cut" });
    }
  });
  const tally = await runCases(typed, [input], 1, 300);
  assert.equal(tally.refused + tally.accepted, tally.cases);
  assert.ok(tally.refused >= 90);
});
