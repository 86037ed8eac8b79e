/** The cable comes out: at every transfer, and at many bytes of a payload. */
import assert from "node:assert/strict";
import type { MemoryLinkOptions } from "../support/memory_link.ts";
import { quickClock } from "./quick_clock.ts";
import { Rig } from "./rig.ts";

/** What the phone wants while the cable is pulled: reads of many sizes, and a refused Write. */
function work(rig: Rig): Promise<unknown> {
  const reads: Promise<unknown>[] = [];
  for (let i = 0; i < 10; i++) reads.push(rig.verify(1 + i % 2, i * 11, 1 + (i * 5) % 9));
  reads.push(
    rig.phone.write(1, 0, new Uint8Array(8192), 2).then(({ status }) => assert.equal(status, 95)),
  );
  return Promise.all(reads);
}

/** The first cable fails as `fault` says; a second one, if needed, must bring everything to its end. */
async function survive(fault: MemoryLinkOptions): Promise<"whole" | "broken"> {
  const rig = new Rig({ host: { clock: quickClock }, phone: { stampsGeneration: true } });
  rig.connect(fault);
  const done = work(rig);
  const first = await Promise.race([rig.ended, done.then(() => "done" as const)]);
  if (first !== "done") {
    assert.equal(first.reason, "lost");
    assert.equal(first.error.kind, "lost");
    assert.equal(rig.cable.open, 0, "no transfer is left behind");
    rig.connect();
    await done;
  }
  assert.deepEqual(rig.phone.faults, []);
  assert.equal(rig.phone.unanswered, 0);
  assert.equal((await rig.stop()).reason, "cancelled");
  assert.deepEqual([rig.host.stats().inFlight, rig.host.stats().bufferedBytes], [0, 0]);
  return first === "done" ? "whole" : "broken";
}

Deno.test("serve() survives an unplug at every transfer", async () => {
  let index = 0;
  while (await survive({ unplugAtTransfer: index }) === "broken") index++;
  // Control, Request, Response and payload transfers of eleven Requests.
  assert.ok(index > 30, `only ${index} transfers`);
});

Deno.test("serve() survives a cut after any number of data bytes", async () => {
  let broken = 0;
  for (let cutAfterBytes = 0; cutAfterBytes < 250_000; cutAfterBytes += 2039) {
    if (await survive({ cutAfterBytes }) === "broken") broken++;
  }
  assert.ok(broken > 80, `only ${broken} cuts`);
});

Deno.test("serve() survives 200 unplugs in a row while 16 reads are under way", async () => {
  const rig = new Rig({ host: { clock: quickClock }, phone: { stampsGeneration: true } });
  let reads = 0;
  let isOver = false;
  const worker = async (start: number) => {
    for (let i = start; !isOver; i += 7) {
      await rig.verify(1, (i * 13) % 2000, 1 + i % 32);
      reads++;
    }
  };
  const workers = Array.from({ length: 16 }, (_, index) => worker(index));
  for (let round = 0; round < 200; round++) {
    rig.connect({ cutAfterBytes: 50_000 + round * 977 });
    assert.equal((await rig.ended).reason, "lost");
  }
  isOver = true;
  rig.connect();
  await Promise.all(workers);
  await rig.stop();
  assert.ok(reads > 200, `${reads} reads`);
  assert.deepEqual(rig.phone.faults, []);
  assert.equal(rig.host.stats().bufferedBytes, 0);
});
