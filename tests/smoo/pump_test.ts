import assert from "node:assert/strict";
import { FastboopError } from "../../lib/errors/errors.ts";
import { MAX_IN_FLIGHT } from "../../lib/smoo/pump.ts";
import { encodeRequest, OP_DISCARD, OP_FLUSH, OP_READ, OP_WRITE } from "../../lib/smoo/wire.ts";
import { PAYLOAD_OUT, RESPONSE_OUT } from "../support/memory_link.ts";
import { HandClock, settle, until } from "./hand_clock.ts";
import { Rig, waitFor } from "./rig.ts";
import { seededRandom } from "./seeded_random.ts";

const MiB = 1024 * 1024;

/** A gate per read of export 1. */
class Gates {
  readonly started: number[] = [];
  readonly aborted: number[] = [];
  #gates = new Map<number, () => void>();

  hold = (offsetBytes: number, signal: AbortSignal | undefined): Promise<void> => {
    const index = this.started.push(offsetBytes) - 1;
    signal?.addEventListener("abort", () => this.aborted.push(index));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gates.set(index, resolve);
    return waitFor(promise, signal);
  };

  open(index: number): void {
    this.#gates.get(index)?.();
  }

  /** Opens `count` gates as they appear. */
  async openAll(count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      await until(() => this.#gates.has(index));
      this.open(index);
    }
  }
}

function message(requestId: number, lba: number, numBlocks: number): Uint8Array {
  const rest = { lba: BigInt(lba), numBlocks, flags: 0 };
  return encodeRequest({ op: OP_READ, requestId, exportId: 1, ...rest });
}

Deno.test("Pump answers in the order the reads finish, every payload behind its Response", async () => {
  const gates = new Gates();
  const rig = new Rig({ hold: gates.hold, phone: { queueDepth: 64, stampsGeneration: true } });
  rig.connect();
  const order: number[] = [];
  const reads = Array.from(
    { length: 64 },
    (_, index) => rig.verify(1, index * 8, 1 + index % 8).then(() => order.push(index)),
  );
  await rig.phone.online;
  await until(() => gates.started.length === 64);
  const random = seededRandom(64);
  const wanted = Array.from({ length: 64 }, (_, index) => index);
  for (let i = 63; i > 0; i--) {
    const j = random(i + 1);
    [wanted[i], wanted[j]] = [wanted[j]!, wanted[i]!];
  }
  for (const index of wanted) {
    gates.open(index);
    await settle();
  }
  await Promise.all(reads);
  assert.deepEqual(order, wanted);
  assert.deepEqual(rig.phone.faults, []);
  await rig.stop();
});

Deno.test("Pump serves 5000 random reads of two disks, sizes 1 to 256 blocks, all right", async () => {
  const random = seededRandom(5000);
  const rig = new Rig({
    phone: { queueDepth: 32, stampsGeneration: true },
    hold: () => random(3) === 0 ? new Promise((resolve) => setTimeout(resolve, 0)) : undefined,
  });
  rig.connect();
  const worker = async () => {
    for (let i = 0; i < 157; i++) {
      const exportId = 1 + random(2);
      const numBlocks = 1 + random(random(8) === 0 ? 256 : 8);
      const blocks = exportId === 1 ? 2048 : 257;
      await rig.verify(exportId, random(blocks - numBlocks + 1), numBlocks);
    }
  };
  await Promise.all(Array.from({ length: 32 }, worker));
  assert.ok(rig.phone.answers.total > 5000);
  assert.deepEqual(rig.phone.faults, []);
  assert.equal(rig.host.stats().bufferedBytes, 0);
  await rig.stop();
});

Deno.test("Pump keeps answers until the phone has answered STATUS", async () => {
  const clock = new HandClock();
  const rig = new Rig({ host: { clock } });
  let isSilent = true;
  rig.phone.control = (setup) => setup.request === 3 && isSilent ? "silence" : undefined;
  rig.connect({ clock });
  await settle();
  // A Request of the session before, still in the controller when the cable came back.
  void rig.phone.sendRaw(message(0, 3, 1));
  await clock.advance(1000);
  assert.equal(rig.host.stats().inFlight, 1);
  isSilent = false;
  while (rig.eventsOf("connected").length === 0) await clock.advance(10);
  await clock.advance(20);
  assert.equal(rig.host.stats().exports[0]!.requests, 0);
  const read = rig.verify(1, 3, 1); // the same id: its own copy, a while after its first STATUS
  await clock.advance(1000);
  await read;
  assert.equal(rig.host.stats().exports[0]!.requests, 1, "one answer for the two copies");
  assert.deepEqual(rig.phone.faults, []);
  await rig.stop();
});

Deno.test("Pump lets the running read answer a replay, with the newest generation", async () => {
  const gates = new Gates();
  const rig = new Rig({ hold: gates.hold, phone: { stampsGeneration: true } });
  rig.connect();
  await rig.phone.online;
  const read = rig.verify(1, 3, 1);
  await settle();
  for (let round = 0; round < 5; round++) {
    rig.phone.replay();
    await settle();
  }
  assert.equal(gates.started.length, 1);
  assert.equal(rig.host.stats().inFlight, 1);
  gates.open(0);
  await read;
  assert.deepEqual(rig.phone.faults, []);
  assert.equal(rig.host.stats().exports[0]!.requests, 1);
  await rig.stop();
});

Deno.test("Pump withdraws the older copy of a live id that asks for something else", async () => {
  const gates = new Gates();
  const rig = new Rig({ hold: gates.hold });
  rig.connect();
  await rig.phone.online;
  await rig.phone.sendRaw(message(0, 100, 2));
  await settle();
  const read = rig.verify(1, 3, 1); // the phone gives it id 0 too
  await settle();
  assert.deepEqual(gates.started, [100 * 4096, 3 * 4096]);
  assert.deepEqual(gates.aborted, [0]);
  gates.open(1);
  await read;
  await settle();
  assert.deepEqual(rig.host.stats().exports[0]!.requests, 1);
  assert.deepEqual(rig.host.stats().inFlight, 0);
  assert.deepEqual(rig.phone.faults, []);
  await rig.stop();
});

Deno.test("Pump takes a reused id for a new Request once its answer is handed over", async () => {
  const rig = new Rig({ phone: { queueDepth: 1 } });
  rig.connect();
  for (let i = 0; i < 200; i++) await rig.verify(1, 7, 1);
  assert.equal(rig.host.stats().exports[0]!.requests, 200);
  assert.deepEqual(rig.phone.faults, []);
  await rig.stop();
});

Deno.test("Pump answers a reused id although the driver was slow to report the first", async () => {
  const rig = new Rig({ phone: { queueDepth: 1 } });
  rig.connectThrough((link) => ({
    ...link,
    transferOut: async (endpoint, data) => {
      await link.transferOut(endpoint, data);
      await new Promise((resolve) => setTimeout(resolve, 5));
    },
  }));
  let reads = 0;
  const repeat = async () => {
    for (; reads < 20; reads++) await rig.verify(1, 7, 1);
  };
  repeat();
  await until(() => reads === 20);
  assert.deepEqual(rig.phone.faults, []);
  await rig.stop();
});

Deno.test("Pump takes no more Requests off the wire than it may hold", async () => {
  const gates = new Gates();
  const rig = new Rig({ hold: gates.hold, phone: { queueDepth: 1000 } });
  rig.connect();
  await rig.phone.online;
  const reads = Array.from({ length: 600 }, (_, index) => rig.verify(1, index, 1));
  await until(() => gates.started.length >= MAX_IN_FLIGHT);
  await settle();
  assert.equal(gates.started.length, MAX_IN_FLIGHT);
  assert.equal(rig.host.stats().inFlight, MAX_IN_FLIGHT);
  await gates.openAll(600);
  await Promise.all(reads);
  await rig.stop();
});

Deno.test("Pump holds 64 MiB of payload at most", async () => {
  const gates = new Gates();
  const rig = new Rig({ hold: gates.hold, phone: { queueDepth: 64 } });
  rig.connect();
  await rig.phone.online;
  const reads = Array.from({ length: 40 }, () => rig.phone.read(1, 0, 1024));
  await until(() => gates.started.length >= 16);
  await settle();
  assert.equal(gates.started.length, 16);
  assert.equal(rig.host.stats().bufferedBytes, 64 * MiB);
  await gates.openAll(40);
  const sizes = (await Promise.all(reads)).map((one) => one.data.length);
  assert.ok(sizes.every((one) => one === 4 * MiB));
  assert.equal(rig.host.stats().bufferedBytes, 0);
  await rig.stop();
});

Deno.test("Pump ends the reads of a session that is over", async () => {
  const gates = new Gates();
  const rig = new Rig({ hold: gates.hold });
  rig.connect();
  await rig.phone.online;
  for (let lba = 0; lba < 16; lba++) void rig.phone.read(1, lba, 1);
  await settle();
  await rig.stop();
  assert.equal(gates.aborted.length, 16);
  assert.deepEqual([rig.host.stats().inFlight, rig.host.stats().bufferedBytes], [0, 0]);
});

Deno.test("Pump answers flush, discard and refused writes, payloads drained in order", async () => {
  const rig = new Rig();
  rig.connect();
  await rig.phone.online;
  const jobs = [
    rig.phone.write(1, 0, new Uint8Array(8192), 2),
    rig.phone.command(OP_FLUSH, 1),
    rig.phone.write(2, 5, new Uint8Array(4 * MiB), 1024),
    rig.phone.command(OP_DISCARD, 2),
    rig.phone.write(1, 0, new Uint8Array(0), 0),
    rig.phone.write(1, 1, new Uint8Array(4096), 1),
  ];
  const statuses = (await Promise.all(jobs)).map((one) => one.status);
  assert.deepEqual(statuses, [95, 0, 95, 95, 95, 95]);
  await rig.verify(1, 0, 2);
  assert.deepEqual(rig.phone.faults, []);
  await rig.stop();
});

Deno.test("Pump goes on serving while a Write's payload has not come", async () => {
  const rig = new Rig();
  rig.connect();
  await rig.phone.online;
  const write = { requestId: 900, exportId: 1, lba: 0n, numBlocks: 4, flags: 0 };
  await rig.phone.sendRaw(encodeRequest({ op: OP_WRITE, ...write }));
  await rig.verify(1, 9, 3);
  assert.equal(rig.host.stats().inFlight, 1);
  await rig.stop();
});

Deno.test("Pump drops the link when a Write's payload is short", async () => {
  const rig = new Rig();
  rig.connect();
  await rig.phone.online;
  rig.phone.write(1, 0, new Uint8Array(8000), 2).catch(() => {});
  const { reason, error } = await rig.ended;
  assert.deepEqual([reason, error.kind], ["lost", "corrupt"]);
});

Deno.test("a failing OUT pipe ends the session although heartbeats go on", async () => {
  for (const endpoint of [RESPONSE_OUT, PAYLOAD_OUT]) {
    const rig = new Rig();
    rig.connectThrough((link) => ({
      ...link,
      transferOut: (address, data, options) => {
        if (address !== endpoint) return link.transferOut(address, data, options);
        const parts = { kind: "lost", action: "Write", state: "a pipe broke" } as const;
        return Promise.reject(new FastboopError(parts));
      },
    }));
    void rig.phone.read(1, 0, 1).catch(() => {});
    const { reason } = await rig.ended;
    assert.equal(reason, "lost");
    assert.equal(rig.host.stats().bufferedBytes, 0);
  }
});

Deno.test("a phone that takes no data is given up after a minute of heartbeats", async () => {
  const clock = new HandClock();
  const rig = new Rig({ host: { clock } });
  rig.phone.stalled = new Promise(() => {});
  rig.connect({ clock });
  await clock.advance(1000);
  void rig.phone.read(1, 0, 1);
  await clock.advance(55_000);
  await clock.jump(600_000);
  assert.equal(rig.host.stats().inFlight, 1);
  await clock.advance(10_000);
  const { reason, error } = await rig.ended;
  assert.equal(reason, "lost");
  assert.match(error.state, /takes no data/);
});

Deno.test("Pump never reuses a buffer that a broken-off read may still write to", async () => {
  const scribbles: (() => void)[] = [];
  const rig = new Rig({
    // Gives up at once when aborted, as the contract asks; but something below it writes on.
    hold: (offsetBytes, signal, into) => {
      if (offsetBytes !== 100 * 4096) return;
      scribbles.push(() => into.fill(0xee));
      return waitFor(new Promise(() => {}), signal);
    },
  });
  rig.connect();
  await rig.phone.online;
  await rig.phone.sendRaw(message(0, 100, 1));
  await until(() => scribbles.length === 1);
  const reads = [rig.verify(1, 3, 1)]; // withdraws the first
  const late = Promise.withResolvers<void>();
  rig.phone.stalled = late.promise;
  for (let lba = 4; lba < 16; lba++) reads.push(rig.verify(1, lba, 1));
  await settle();
  scribbles[0]!();
  late.resolve();
  await Promise.all(reads);
  await rig.stop();
});
