import assert from "node:assert/strict";
import type { FastboopError } from "../../lib/errors/errors.ts";
import { keepHeartbeat, MISS_LIMIT, PERIOD_MS } from "../../lib/smoo/heartbeat.ts";
import { encodeStatus } from "../../lib/smoo/wire.ts";
import type { ControlReply } from "../support/gadget_port.ts";
import { MemoryCable } from "../support/memory_link.ts";
import { HandClock, settle } from "./hand_clock.ts";

const ALIVE = encodeStatus({ flags: 1, exportCount: 1, sessionId: 7n });

/** A heartbeat against a gadget that answers as `reply` says. */
function start(reply: () => ControlReply, cableOptions = {}) {
  const clock = new HandClock();
  const cable = new MemoryCable({ clock, ...cableOptions });
  const stop = new AbortController();
  const asked: number[] = [];
  const missed: number[] = [];
  let end: FastboopError | "stopped" | undefined;
  cable.port.onControl((setup) => {
    assert.deepEqual([setup.requestType, setup.request], [0xa1, 3]);
    asked.push(clock.nowMs());
    return reply();
  });
  const done = keepHeartbeat({
    link: cable.link,
    clock,
    signal: stop.signal,
    onStatus: () => PERIOD_MS,
    onMiss: (misses) => missed.push(misses),
  }).then(() => end = "stopped", (error) => end = error);
  return { clock, cable, stop, asked, missed, done, end: () => end };
}

Deno.test("keepHeartbeat() asks at least every 500 ms, for ten idle minutes", async () => {
  const beat = start(() => ALIVE);
  await beat.clock.advance(600_000);
  assert.ok(beat.asked.length >= 1200, `${beat.asked.length} questions`);
  beat.asked.forEach((atMs, index) => assert.ok(atMs - (beat.asked[index - 1] ?? 0) <= 500));
  assert.deepEqual(beat.missed, []);
  assert.ok(beat.clock.waiting <= 1, "timers do not pile up");
  assert.equal(beat.cable.open, 0);
  beat.stop.abort();
  await beat.done;
  assert.equal(beat.end(), "stopped");
  assert.equal(beat.clock.waiting, 0);
});

Deno.test("keepHeartbeat() bears ten misses in a row and gives up at the eleventh, near 5 s", async () => {
  let silent = MISS_LIMIT - 1;
  const beat = start(() => silent-- > 0 ? "silence" : ALIVE);
  await beat.clock.advance(10_000);
  assert.equal(beat.end(), undefined);
  assert.deepEqual(beat.missed, Array.from({ length: MISS_LIMIT - 1 }, (_, index) => index + 1));
  silent = MISS_LIMIT;
  const startMs = beat.clock.nowMs();
  while (beat.end() === undefined) await beat.clock.advance(50);
  const tookMs = beat.clock.nowMs() - startMs;
  assert.ok(tookMs >= 4500 && tookMs <= 6000, `${tookMs} ms`);
  assert.equal((beat.end() as FastboopError).kind, "lost");
});

Deno.test("keepHeartbeat() takes stalls and garbage for misses", async () => {
  for (const reply of ["stall", new Uint8Array(15), ALIVE.map((byte) => byte ^ 1)] as const) {
    const beat = start(() => reply);
    await beat.clock.advance(6000);
    assert.equal(beat.missed.length, MISS_LIMIT);
    assert.equal((beat.end() as FastboopError).kind, "lost");
  }
});

Deno.test("keepHeartbeat() concludes nothing from a sleep of an hour", async () => {
  const beat = start(() => ALIVE);
  await beat.clock.advance(10_000);
  const before = beat.asked.length;
  await beat.clock.jump(3_600_000);
  assert.equal(beat.asked.length, before + 1);
  await beat.clock.advance(10_000);
  assert.deepEqual([beat.missed, beat.end()], [[], undefined]);
  beat.stop.abort();
  await beat.done;
});

Deno.test("keepHeartbeat() does not pile questions up on a link that keeps no deadline", async () => {
  const clock = new HandClock();
  let pending = 0;
  const link = {
    ...new MemoryCable().link,
    controlIn: () => {
      pending++;
      return new Promise<Uint8Array>(() => {});
    },
  };
  const signal = new AbortController().signal;
  let error: FastboopError | undefined;
  keepHeartbeat({ link, clock, signal, onStatus: () => PERIOD_MS, onMiss: () => {} })
    .catch((one) => error = one);
  await clock.advance(6000);
  assert.equal(error?.kind, "lost");
  assert.equal(pending, 1);
});

Deno.test("keepHeartbeat() stops at once while a question is open", async () => {
  const beat = start(() => "silence");
  await settle();
  beat.stop.abort();
  await beat.done;
  assert.equal(beat.end(), "stopped");
});
