import assert from "node:assert/strict";
import { FastboopError } from "../../lib/errors/errors.ts";
import { SmooHost } from "../../lib/smoo/host.ts";
import { encodeStatus, STATUS_REFUSED } from "../../lib/smoo/wire.ts";
import type { UsbLink } from "../../lib/usb/link.ts";
import { MemoryCable } from "../support/memory_link.ts";
import { SmooPhone } from "../support/smoo_phone.ts";
import { HandClock, until } from "./hand_clock.ts";
import { quickClock } from "./quick_clock.ts";
import { MODULES_BYTES, Rig, ROOTFS_BYTES, waitFor } from "./rig.ts";

const BLOCKS = ROOTFS_BYTES / 4096;
const MODULE_BLOCKS = Math.ceil(MODULES_BYTES / 4096);

Deno.test("SmooHost() refuses a list that is no list of disks", () => {
  assert.throws(() => new SmooHost([]), { kind: "usage" });
});

Deno.test("serve() serves every block of two disks, the padding of the last as zeros", async () => {
  const rig = new Rig();
  rig.connect();
  const reads: Promise<void>[] = [];
  for (let lba = 0; lba < BLOCKS; lba += 64) reads.push(rig.verify(1, lba, 64));
  for (let lba = 0; lba < MODULE_BLOCKS; lba++) reads.push(rig.verify(2, lba, 1));
  await Promise.all(reads);
  assert.ok(rig.expected(2, MODULE_BLOCKS - 1, 1).subarray(1000).every((byte) => byte === 0));
  assert.equal((await rig.stop()).reason, "cancelled");
  assert.deepEqual(rig.phone.faults, []);
  assert.deepEqual(rig.host.stats(), {
    exports: [
      { id: 1, name: "rootfs", requests: BLOCKS / 64, servedBytes: ROOTFS_BYTES, errors: 0 },
      {
        id: 2,
        name: "modules",
        requests: MODULE_BLOCKS,
        servedBytes: MODULE_BLOCKS * 4096,
        errors: 0,
      },
    ],
    strangers: 0,
    inFlight: 0,
    bufferedBytes: 0,
  });
});

Deno.test("serve() feeds the reads that a phone needs before a disk counts as online", async () => {
  const clock = new HandClock();
  const rig = new Rig({ phone: { scanBlocks: 3 }, host: { clock } });
  rig.connect({ clock });
  await clock.advance(2000);
  assert.deepEqual(rig.eventsOf("connected"), [
    { type: "connected", sessionId: 0x0102030405060708n, resumed: false },
  ]);
  assert.deepEqual(rig.eventsOf("exports").map((one) => one.online), [0, 2]);
  assert.deepEqual(rig.eventsOf("exports").map((one) => one.expected), [2, 2]);
  const progress = rig.eventsOf("progress");
  assert.equal(progress.length, 1, "an idle phone makes no more progress events");
  assert.equal(progress[0]!.stats.exports[0]!.servedBytes, 3 * 4096);
  await rig.stop();
});

Deno.test("serve() says so when the disks never come up", async () => {
  const clock = new HandClock();
  const rig = new Rig({
    phone: { staysOffline: true },
    host: { clock, onlineTimeoutMs: 30_000 },
  });
  rig.connect({ clock });
  await clock.advance(29_000);
  await clock.jump(3_600_000);
  await clock.advance(2000);
  const { reason, error } = await rig.ended;
  assert.equal(reason, "refused");
  assert.equal(error.kind, "refused");
  assert.match(error.message, /0 of 2 came up in 3\d s/);
});

Deno.test("serve() says so at once when the phone refuses the exports", async () => {
  const rig = new Rig({ phone: { staysOffline: true } });
  rig.phone.control = ({ request }) =>
    request === 3
      ? encodeStatus({ flags: STATUS_REFUSED, exportCount: 0, sessionId: rig.phone.sessionId })
      : undefined;
  rig.connect();
  const { reason, error } = await rig.ended;
  assert.equal(reason, "refused");
  assert.match(error.message, /refused the exports/);
});

Deno.test("serve() answers unanswered Requests once each to the next link", async () => {
  const gate = Promise.withResolvers<void>();
  const allStarted = Promise.withResolvers<void>();
  let started = 0;
  const hold = (_: number, signal?: AbortSignal) => {
    if (++started === 16) allStarted.resolve();
    return waitFor(gate.promise, signal);
  };
  const rig = new Rig({ hold });
  rig.connect();
  const reads = Array.from({ length: 16 }, (_, index) => rig.verify(1, index * 3, 2));
  await allStarted.promise;
  rig.cable.unplug();
  const lost = await rig.ended;
  assert.equal(lost.reason, "lost");
  assert.equal(lost.error.kind, "lost");
  assert.equal(rig.phone.unanswered, 16);
  assert.equal(rig.host.stats().bufferedBytes, 0);
  gate.resolve();
  rig.connect();
  await Promise.all(reads);
  assert.deepEqual(rig.phone.faults, []);
  assert.equal(rig.phone.answers.total, 16);
  assert.deepEqual(rig.eventsOf("connected").map((one) => one.resumed), [false, true]);
  await rig.stop();
});

Deno.test("serve() ends when the gadget was started anew", async () => {
  const clock = new HandClock();
  const rig = new Rig({ host: { clock } });
  rig.connect({ clock });
  await clock.advance(1000);
  rig.phone.sessionId = 99n;
  await clock.advance(1000);
  const end = await rig.ended;
  assert.equal(end.reason, "session-changed");
  assert.equal(end.sessionId, 0x0102030405060708n);
  rig.connect({ clock });
  await clock.advance(1000);
  assert.deepEqual(rig.eventsOf("connected").at(-1), {
    type: "connected",
    sessionId: 99n,
    resumed: false,
  });
  await rig.stop();
});

Deno.test("serve() refuses what is no smoo gadget of version 0", async () => {
  const answers: [RegExp, Uint8Array | "stall"][] = [
    [/magic is 0x4f4f4d54/, Uint8Array.from([0x54, 0x4d, 0x4f, 0x4f, 0, 0, 1, 0])],
    [/version 1, must be 0/, Uint8Array.from([0x53, 0x4d, 0x4f, 0x4f, 1, 0, 0, 0])],
    [/4 bytes, must be 8/, Uint8Array.from([0x53, 0x4d, 0x4f, 0x4f])],
    [/stalled/, "stall"],
  ];
  for (const [state, answer] of answers) {
    const rig = new Rig();
    rig.phone.control = () => answer;
    rig.connect();
    const { reason, error } = await rig.ended;
    assert.equal(reason, "refused");
    assert.match(error.state, state);
  }
});

Deno.test("serve() takes any minor version", async () => {
  const rig = new Rig();
  const ident = Uint8Array.from([0x53, 0x4d, 0x4f, 0x4f, 0, 0, 77, 0]);
  rig.phone.control = (setup) => setup.request === 1 ? ident : undefined;
  rig.connect();
  await rig.verify(1, 0, 1);
  await rig.stop();
});

Deno.test("serve() loses a phone whose data pipe stalls, and serves it on the next link", async () => {
  const stall = new FastboopError({ kind: "refused", action: "Write", state: "stall" });
  const rig = new Rig({ host: { clock: quickClock } });
  const stalls = (link: UsbLink) => ({ ...link, transferOut: () => Promise.reject(stall) });
  rig.connectThrough(stalls);
  const read = rig.verify(1, 0, 1);
  const { reason, error } = await rig.ended;
  assert.deepEqual([reason, error], ["lost", stall]);
  rig.connect();
  await read;
  await rig.stop();
});

Deno.test("serve() loses a phone that does not answer IDENT", async () => {
  const clock = new HandClock();
  const rig = new Rig({ host: { clock } });
  rig.phone.control = () => "silence";
  rig.connect({ clock });
  await clock.advance(5000);
  assert.equal((await rig.ended).reason, "lost");
});

Deno.test("serve() is cancelled before it began, and in every phase of the set-up", async () => {
  const before = new Rig();
  const cable = new MemoryCable();
  const end = await before.host.serve(cable.link, { signal: AbortSignal.abort() });
  assert.equal(end.reason, "cancelled");
  assert.ok(cable.failure, "the link is closed");
  for (const silent of [1, 2, 3]) {
    const rig = new Rig();
    rig.phone.control = (setup) => setup.request === silent ? "silence" : undefined;
    rig.connect();
    assert.equal((await rig.stop()).reason, "cancelled");
    assert.equal(rig.cable.open, 0);
  }
});

Deno.test("serve() runs one session at a time", async () => {
  const rig = new Rig();
  rig.connect();
  await assert.rejects(rig.host.serve(new MemoryCable().link), { kind: "internal" });
  await rig.verify(1, 0, 1);
  await rig.stop();
});

Deno.test("serve() gives the phone an errno for a source that fails, and tells it once", async () => {
  const clock = new HandClock();
  const rig = new Rig({
    host: { clock },
    hold: (offsetBytes) => {
      if (offsetBytes < 4096) return;
      const kind = offsetBytes < 8192 ? "limit" : "source";
      throw new FastboopError({ kind, action: "Read", state: "told to fail" });
    },
  });
  rig.connect({ clock });
  await clock.advance(100);
  const statuses = await Promise.all([2, 3, 1, 0].map((lba) => rig.phone.read(1, lba, 1)));
  assert.deepEqual(statuses.map((one) => one.status), [5, 5, 22, 0]);
  await rig.verify(2, 0, 1);
  const told = rig.eventsOf("read-error");
  assert.deepEqual(told.map((one) => [one.exportName, one.offsetBytes, one.untold]), [
    ["rootfs", 8192, 0],
  ]);
  await clock.advance(6000);
  await rig.phone.read(1, 4, 1);
  assert.deepEqual(rig.eventsOf("read-error").map((one) => one.untold), [0, 2]);
  assert.equal(rig.host.stats().exports[0]!.errors, 4);
  await rig.stop();
});

Deno.test("serve() makes a foreign error of a reader an I/O error", async () => {
  const rig = new Rig({
    hold: () => {
      throw new TypeError("a bug");
    },
  });
  rig.connect();
  assert.equal((await rig.phone.read(1, 0, 1)).status, 5);
  const [told] = rig.eventsOf("read-error");
  assert.equal(told?.error.kind, "source");
  assert.match(told.error.message, /a bug/);
  await rig.stop();
});

Deno.test("serve() holds a Request as long as its source does", async () => {
  const clock = new HandClock();
  const gate = Promise.withResolvers<void>();
  const rig = new Rig({ host: { clock }, hold: (_, signal) => waitFor(gate.promise, signal) });
  rig.connect({ clock });
  const read = rig.verify(1, 7, 1);
  await clock.advance(600_000);
  assert.equal(rig.phone.unanswered, 1);
  gate.resolve();
  await read;
  await rig.stop();
});

Deno.test("serve() ends in bounded time although a reader ignores the abort", async () => {
  const clock = new HandClock();
  const rig = new Rig({ host: { clock }, hold: () => new Promise(() => {}) });
  rig.connect({ clock });
  void rig.phone.read(1, 7, 1);
  await clock.advance(100);
  const ended = rig.stop();
  await clock.advance(1000);
  assert.equal((await ended).reason, "cancelled");
  assert.equal(clock.waiting, 0);
});

Deno.test("serve() never sends what a reader of an earlier session finished late", async () => {
  const late = Promise.withResolvers<void>();
  let isFirst = true;
  const clock = new HandClock();
  const hold = () => {
    const wait = isFirst ? late.promise : undefined;
    isFirst = false;
    return wait;
  };
  const rig = new Rig({ host: { clock }, hold });
  rig.connect({ clock });
  const read = rig.verify(1, 7, 1);
  await clock.advance(100);
  rig.cable.unplug();
  await clock.advance(1000);
  await rig.ended;
  rig.connect({ clock });
  await clock.advance(100);
  await read;
  late.resolve();
  await clock.advance(1000);
  await rig.verify(1, 8, 1);
  assert.equal(rig.phone.answers.total, 2);
  assert.deepEqual(rig.phone.faults, []);
  await rig.stop();
});

Deno.test("serve() ends as refused when the caller's onEvent throws", async () => {
  const rig = new Rig({
    host: {
      onEvent: () => {
        throw new Error("a bug");
      },
    },
  });
  rig.connect();
  const end = await rig.ended;
  assert.deepEqual([end.reason, end.error.kind], ["refused", "internal"]);
});

Deno.test("serve() lets a payload that is half written arrive before it is cancelled", async () => {
  const release = Promise.withResolvers<void>();
  const rig = new Rig();
  rig.phone.stalled = release.promise;
  let isWritten = false;
  rig.connectThrough((link) => ({
    ...link,
    transferOut: (endpoint, data) => {
      isWritten = true;
      return link.transferOut(endpoint, data);
    },
  }));
  const read = rig.verify(1, 0, 16);
  await until(() => isWritten);
  const ended = rig.stop();
  release.resolve();
  assert.equal((await ended).reason, "cancelled");
  await read;
});

Deno.test("SmooPhone notices one flipped byte", async () => {
  const rig = new Rig();
  rig.connect();
  const wrong = rig.expected(1, 3, 4);
  wrong[9000]! ^= 0x10;
  await assert.rejects(rig.phone.verify(1, 3, 4, wrong), /byte 9000 is wrong/);
  await rig.verify(1, 3, 4);
  await rig.stop();
});

Deno.test("SmooPhone serves as two phones on one host, one after the other", async () => {
  const rig = new Rig();
  rig.connect();
  await rig.verify(1, 0, 1);
  await rig.stop();
  const cable = new MemoryCable();
  const other = new SmooPhone({ sessionId: 5n });
  other.attach(cable.port);
  const stop = new AbortController();
  const ended = rig.host.serve(cable.link, { signal: stop.signal });
  await other.online;
  await other.verify(2, 1, 2, rig.expected(2, 1, 2));
  stop.abort();
  assert.equal((await ended).sessionId, 5n);
});
