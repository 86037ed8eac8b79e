import assert from "node:assert/strict";
import { Semaphore } from "../../lib/sources/semaphore.ts";

Deno.test("Semaphore serves in order, and lets go of who stops waiting", async () => {
  const semaphore = new Semaphore(1);
  const order: string[] = [];
  const release = await semaphore.acquire();
  const stop = new AbortController();
  const a = semaphore.acquire().then((free) => (order.push("a"), free));
  const b = semaphore.acquire(stop.signal).then(
    () => order.push("b"),
    () => order.push("b stopped"),
  );
  const c = semaphore.acquire().then((free) => (order.push("c"), free));
  stop.abort();
  await b;
  release();
  release(); // twice gives back once
  const freeA = await a;
  assert.deepEqual(order, ["b stopped", "a"]);
  freeA();
  (await c)();
  assert.deepEqual(order, ["b stopped", "a", "c"]);
  await assert.rejects(semaphore.acquire(AbortSignal.abort()));
  (await semaphore.acquire())();
});
