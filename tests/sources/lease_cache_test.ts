import assert from "node:assert/strict";
import { LeaseCache } from "../../lib/sources/lease_cache.ts";

function recorder(capacity: number) {
  const closed: string[] = [];
  const cache = new LeaseCache<string, string>(capacity, (value) => closed.push(value));
  const use = (key: string) => cache.with(key, () => key.toUpperCase(), (v) => Promise.resolve(v));
  return { cache, closed, use };
}

Deno.test("LeaseCache closes the least recently used value beyond its capacity", async () => {
  const { cache, closed, use } = recorder(2);
  for (const key of ["a", "b", "a", "c"]) assert.equal(await use(key), key.toUpperCase());
  assert.deepEqual(closed, ["B"]);
  cache.clear();
  assert.deepEqual(closed, ["B", "A", "C"]);
  await use("d");
  assert.deepEqual(closed, ["B", "A", "C", "D"], "nothing is kept after the end");
  assert.equal(cache.size, 0);
});

Deno.test("LeaseCache never closes a value in use", async () => {
  const { cache, closed, use } = recorder(1);
  const gate = Promise.withResolvers<void>();
  const long = cache.with("a", () => "A", async (value) => {
    await gate.promise;
    assert.ok(!closed.includes(value));
  });
  await use("b");
  assert.deepEqual(closed, ["B"]);
  cache.drop("a");
  assert.deepEqual(closed, ["B"]);
  gate.resolve();
  await long;
  assert.deepEqual(closed, ["B", "A"]);
});

Deno.test("LeaseCache keeps a value whose use failed, and opens again after a failed open", async () => {
  const { cache, closed } = recorder(2);
  await assert.rejects(cache.with("a", () => "A", () => Promise.reject(new Error("no"))), /no/);
  assert.deepEqual(closed, []);
  const failing = cache.with("b", () => {
    throw new Error("cannot open");
  }, () => Promise.resolve());
  await assert.rejects(failing, /cannot open/);
  assert.equal(cache.size, 1);
});
