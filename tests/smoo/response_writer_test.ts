import assert from "node:assert/strict";
import { type Answer, type Outcome, ResponseWriter } from "../../lib/smoo/response_writer.ts";
import { decodeResponse } from "../../lib/smoo/wire.ts";
import type { UsbLink } from "../../lib/usb/link.ts";
import { MemoryCable } from "../support/memory_link.ts";
import { settle } from "./hand_clock.ts";

const MiB = 1024 * 1024;
const PIPES = {
  requestIn: 0x81,
  requestInBytes: 64,
  responseOut: 1,
  payloadIn: 0x82,
  payloadOut: 2,
};

/** A link that notes transfers and ends them when told. */
function setUp() {
  const calls: { endpoint: number; data: Uint8Array }[] = [];
  const ends: { resolve(): void; reject(error: unknown): void }[] = [];
  const link: UsbLink = {
    ...new MemoryCable().link,
    transferOut: (endpoint, data) => {
      calls.push({ endpoint, data });
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      ends.push({ resolve, reject });
      return promise;
    },
  };
  const submitted: Answer[] = [];
  const finished: [Answer, Outcome][] = [];
  const failures: unknown[] = [];
  const writer = new ResponseWriter<Answer>(link, PIPES, {
    submitted: (answer) => submitted.push(answer),
    finished: (answer, outcome) => finished.push([answer, outcome]),
    failed: (error) => failures.push(error),
  });
  return { writer, calls, ends, submitted, finished, failures };
}

function answer(requestId: number, payloadBytes = 0, status = 0): Answer {
  const request = { op: 0, requestId, exportId: 1, lba: 0n, numBlocks: 1, flags: 0 };
  const payload = payloadBytes > 0 ? new Uint8Array(payloadBytes).fill(requestId) : undefined;
  return { request, status, payload, withdrawn: false };
}

Deno.test("ResponseWriter submits each payload right behind its Response, waiting for neither", () => {
  const { writer, calls } = setUp();
  writer.open();
  writer.push(answer(1, 4096));
  writer.push(answer(2, 0, 22));
  writer.push(answer(3, 512));
  assert.deepEqual(calls.map((one) => one.endpoint), [1, 2, 1, 1, 2]);
  const responses = calls.filter((one) => one.endpoint === 1).map((one) =>
    decodeResponse(one.data)
  );
  assert.deepEqual(responses.map((one) => [one.requestId, one.status]), [[1, 0], [2, 22], [3, 0]]);
  assert.deepEqual(calls.filter((one) => one.endpoint === 2).map((one) => one.data[0]), [1, 3]);
});

Deno.test("ResponseWriter keeps at most 32 answers and 4 MiB under way", async () => {
  const small = setUp();
  small.writer.open();
  for (let id = 0; id < 100; id++) small.writer.push(answer(id, 512));
  assert.equal(small.submitted.length, 32);
  small.ends[0]!.resolve();
  await settle();
  assert.equal(small.submitted.length, 32, "the payload of the first is still under way");
  small.ends[1]!.resolve();
  await settle();
  assert.equal(small.submitted.length, 33);

  const large = setUp();
  large.writer.open();
  for (let id = 0; id < 10; id++) large.writer.push(answer(id, 1.5 * MiB));
  assert.equal(large.submitted.length, 2);
});

Deno.test("ResponseWriter lets one answer out whatever its size", () => {
  const { writer, submitted } = setUp();
  writer.open();
  writer.push(answer(1, 5 * MiB));
  writer.push(answer(2, 512));
  assert.equal(submitted.length, 1);
});

Deno.test("ResponseWriter skips what was withdrawn", () => {
  const { writer, submitted, finished } = setUp();
  const first = answer(1, 512);
  writer.push(first);
  writer.push(answer(2, 512));
  first.withdrawn = true;
  writer.open();
  assert.deepEqual(submitted.map((one) => one.request.requestId), [2]);
  assert.deepEqual(finished, [[first, "withdrawn"]]);
});

Deno.test("ResponseWriter closes once nothing is under way, and submits nothing after", async () => {
  const { writer, submitted, ends } = setUp();
  writer.open();
  writer.push(answer(1, 512));
  let isClosed = false;
  const closed = writer.close().then(() => isClosed = true);
  writer.push(answer(2, 512));
  await settle();
  assert.deepEqual([isClosed, submitted.length], [false, 1]);
  ends.forEach((one) => one.resolve());
  await closed;
  assert.equal(submitted.length, 1);
  await writer.close();
});

Deno.test("ResponseWriter reports a failing pipe, and finishes when both transfers are over", async () => {
  for (const failing of [0, 1]) {
    const { writer, ends, finished, failures, submitted } = setUp();
    writer.open();
    for (let id = 0; id < 40; id++) writer.push(answer(id, 512));
    ends[failing]!.reject("broken");
    await settle();
    assert.deepEqual(failures, ["broken"]);
    assert.equal(finished.length, 0, "the driver may still hold the other one");
    ends[1 - failing]!.resolve();
    await settle();
    assert.equal(finished[0]![1], "failed");
    assert.equal(submitted.length, 32, "nothing follows a failure");
    writer.withdrawAll();
    assert.equal(finished.length, 9);
  }
});
