import assert from "node:assert/strict";
import { DecodedBlocks } from "../../lib/images/decoded_blocks.ts";
import { FastboopError } from "../../lib/errors/errors.ts";
import { expectError } from "../kernel/expect_error.ts";

/** A loader that waits until told, and knows what it was asked for. */
function held() {
  const calls: { index: number; signal: AbortSignal; gate: PromiseWithResolvers<void> }[] = [];
  const load = async (index: number, signal: AbortSignal) => {
    const gate = Promise.withResolvers<void>();
    calls.push({ index, signal, gate });
    signal.addEventListener("abort", () => gate.reject(signal.reason), { once: true });
    await gate.promise;
    return new Uint8Array(100).fill(index);
  };
  return { calls, load };
}

const turn = () => new Promise<void>((resolve) => setTimeout(resolve));

Deno.test("DecodedBlocks decodes a block once for 16 who ask at the same time", async () => {
  const { calls, load } = held();
  await using blocks = new DecodedBlocks(load);
  const all = Array.from({ length: 16 }, () => blocks.get(3));
  await turn();
  assert.equal(calls.length, 1);
  calls[0]!.gate.resolve();
  for (const block of await Promise.all(all)) assert.equal(block[0], 3);
  await blocks.get(3);
  assert.equal(calls.length, 1);
});

Deno.test("DecodedBlocks keeps the blocks used last, within its bytes", async () => {
  const loaded: number[] = [];
  await using blocks = new DecodedBlocks((index) => {
    loaded.push(index);
    return Promise.resolve(new Uint8Array(100));
  }, { capacityBytes: 250 });
  for (const index of [0, 1, 0, 2, 0, 1]) await blocks.get(index);
  assert.deepEqual(loaded, [0, 1, 2, 1], "1 went for 2, because 0 was used later");
  assert.equal(blocks.heldBytes, 200);
});

Deno.test("DecodedBlocks ends a decode when the last who waits is gone, and begins anew", async () => {
  const { calls, load } = held();
  await using blocks = new DecodedBlocks(load);
  const [first, second] = [new AbortController(), new AbortController()];
  const one = blocks.get(1, first.signal);
  const two = blocks.get(1, second.signal);
  await turn();
  first.abort();
  await expectError("cancelled", () => one);
  assert.equal(calls[0]!.signal.aborted, false);
  second.abort();
  const three = blocks.get(1);
  await expectError("cancelled", () => two);
  await turn();
  assert.equal(calls.length <= 2, true);
  calls.at(-1)!.gate.resolve();
  assert.equal((await three)[0], 1);
});

Deno.test("DecodedBlocks leaves nothing behind when a decode fails", async () => {
  let tries = 0;
  await using blocks = new DecodedBlocks(() => {
    if (tries++ > 0) return Promise.resolve(new Uint8Array(1));
    const parts = { kind: "source", action: "Load", state: "told to fail" } as const;
    return Promise.reject(new FastboopError(parts));
  });
  const both = [blocks.get(0), blocks.get(0)];
  for (const one of both) await expectError("source", () => one);
  assert.equal((await blocks.get(0)).length, 1);
  assert.equal(tries, 2);
});

Deno.test("DecodedBlocks decodes two at a time, and stops all when it is closed", async () => {
  const { calls, load } = held();
  const blocks = new DecodedBlocks(load);
  const all = [0, 1, 2, 3].map((index) =>
    expectError("cancelled", () => blocks.get(index), "closed")
  );
  await turn();
  assert.deepEqual(calls.map(({ index }) => index), [0, 1]);
  await blocks[Symbol.asyncDispose]();
  await Promise.all(all);
  assert.ok(calls.every(({ signal }) => signal.aborted));
  await expectError("cancelled", () => blocks.get(0), "closed");
});

Deno.test("DecodedBlocks never decodes a block twice at a time, though a decode cannot be stopped", async () => {
  let running = 0;
  let most = 0;
  const gates: PromiseWithResolvers<void>[] = [];
  const load = async () => {
    gates.push(Promise.withResolvers<void>());
    most = Math.max(most, ++running);
    await gates.at(-1)!.promise;
    running--;
    return new Uint8Array(7);
  };
  const blocks = new DecodedBlocks(load);
  const controller = new AbortController();
  const stopped = blocks.get(5, controller.signal);
  await turn();
  controller.abort();
  await expectError("cancelled", () => stopped);
  const [next, impatient] = [new AbortController(), new AbortController()];
  const again = blocks.get(5, next.signal);
  const left = blocks.get(5, impatient.signal);
  impatient.abort();
  await expectError("cancelled", () => left);
  await turn();
  gates[0]!.resolve();
  assert.equal((await again).length, 7);
  assert.deepEqual([gates.length, most], [1, 1], "what was decoded all the same is taken");
  const other = expectError("cancelled", () => blocks.get(6, next.signal));
  await turn();
  next.abort();
  await other;
  let isClosed = false;
  const closing = blocks[Symbol.asyncDispose]().then(() => isClosed = true);
  await turn();
  assert.equal(isClosed, false, "the source is still read from");
  gates[1]!.resolve();
  await closing;
});

Deno.test("DecodedBlocks keeps no more blocks than it can count in memory, however small", async () => {
  await using blocks = new DecodedBlocks(() => Promise.resolve(new Uint8Array(1)));
  for (let index = 0; index < 70_000; index++) await blocks.get(index);
  assert.equal(blocks.heldBytes, 1 << 16);
});

Deno.test("DecodedBlocks counts the memory behind a block, which may be more than the block", async () => {
  const loaded: number[] = [];
  await using blocks = new DecodedBlocks((index) => {
    loaded.push(index);
    return Promise.resolve(new Uint8Array(1 << 14).subarray(0, 100));
  }, { capacityBytes: 1 << 16 });
  for (const index of [0, 1, 2, 3, 4, 4, 0]) await blocks.get(index);
  assert.deepEqual(loaded, [0, 1, 2, 3, 4, 0]);
  assert.equal(blocks.heldBytes, 1 << 16);
});
