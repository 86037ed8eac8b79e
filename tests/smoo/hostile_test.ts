/** A phone that means harm: an errno or the end of the link, never growth and never a wrong byte. */
import assert from "node:assert/strict";
import { encodeRequest, OP_READ, OP_WRITE, type Request } from "../../lib/smoo/wire.ts";
import { quickClock } from "./quick_clock.ts";
import { Rig } from "./rig.ts";
import { seededRandom } from "./seeded_random.ts";

function message(parts: Partial<Request>): Uint8Array {
  const plain = { op: OP_READ, requestId: 700, exportId: 1, lba: 0n, numBlocks: 1, flags: 0 };
  return encodeRequest({ ...plain, ...parts });
}

Deno.test("a Request outside its disk, or of no disk, is answered EINVAL without payload", async () => {
  const rig = new Rig();
  rig.connect();
  await rig.phone.online;
  const asked: [number, bigint, number][] = [
    [1, 2048n, 1],
    [1, 2047n, 2],
    [1, 2n ** 64n - 1n, 1],
    [1, 2n ** 63n, 2 ** 32 - 1],
    [1, 0n, 2 ** 32 - 1],
    [1, 0n, 1025],
    [1, 0n, 0],
    [2, 257n, 1],
    [0, 0n, 1],
    [9, 0n, 1],
    [2 ** 32 - 1, 0n, 1],
  ];
  for (const [exportId, lba, numBlocks] of asked) {
    const { status, data } = await rig.phone.read(exportId, lba, numBlocks);
    assert.deepEqual([status, data.length], [22, 0], `${exportId} ${lba} ${numBlocks}`);
  }
  await rig.verify(1, 2047, 1);
  await rig.verify(2, 256, 1);
  assert.equal(rig.host.stats().strangers, 3);
  assert.equal(rig.host.stats().bufferedBytes, 0);
  assert.deepEqual(rig.phone.faults, []);
  await rig.stop();
});

Deno.test("a message that is no Request ends the session, and the next one is served", async () => {
  const rig = new Rig();
  const garbage: [string, Uint8Array][] = [
    ["27 bytes", message({}).subarray(0, 27)],
    ["29 bytes", new Uint8Array([...message({}), 0])],
    ["nothing", new Uint8Array(0)],
    ["64 bytes", new Uint8Array(64)],
    ["an unknown opcode", message({ op: 4 })],
    ["reserved bytes", message({}).map((byte, index) => index === 2 ? 1 : byte)],
    ["a Write to no disk", message({ op: OP_WRITE, exportId: 9 })],
    ["a Write of 4 MiB and a block", message({ op: OP_WRITE, numBlocks: 1025 })],
    ["a Write of 2^32 blocks", message({ op: OP_WRITE, numBlocks: 2 ** 32 - 1 })],
  ];
  for (const [what, bytes] of garbage) {
    rig.connect();
    await rig.phone.online;
    rig.phone.sendRaw(bytes).catch(() => {});
    const { reason, error } = await rig.ended;
    assert.deepEqual([reason, error.kind], ["lost", "corrupt"], what);
    assert.equal(rig.host.stats().bufferedBytes, 0);
  }
  rig.connect();
  await rig.verify(1, 0, 1);
  await rig.stop();
});

Deno.test("a message longer than a packet breaks the link", async () => {
  const rig = new Rig();
  rig.connect();
  await rig.phone.online;
  rig.phone.sendRaw(new Uint8Array(3000)).catch(() => {});
  assert.equal((await rig.ended).reason, "lost");
});

Deno.test("random Requests end in a status or the end of the link, never in anything else", async () => {
  const random = seededRandom(0xbad);
  const rig = new Rig({ host: { clock: quickClock }, phone: { queueDepth: 64 } });
  let sessions = 0;
  let answered = 0;
  for (let round = 0; round < 40; round++) {
    rig.connect();
    await rig.phone.online;
    let isOver = false;
    rig.ended.then(() => isOver = true);
    for (let i = 0; i < 100 && !isOver; i++) {
      const exportId = random(4);
      const lba = BigInt(random(2 ** 32) >>> random(32));
      const answer = rig.phone.read(exportId, lba, random(2 ** 32) >>> random(32));
      const first = await Promise.race([answer, rig.ended]);
      if ("status" in first) answered++;
    }
    const bytes = message({});
    for (let flips = 1 + random(4); flips > 0; flips--) bytes[random(4)] = random(256);
    rig.phone.sendRaw(bytes).catch(() => {});
    const end = await Promise.race([
      rig.ended,
      new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 20)),
    ]);
    if (end === undefined) await rig.stop();
    else assert.ok(["lost", "refused"].includes(end.reason));
    if (end) sessions++;
  }
  assert.ok(sessions > 10 && answered > 1000, `${sessions} ended, ${answered} answered`);
  assert.equal(rig.host.stats().bufferedBytes, 0);
});

Deno.test("a flood of 300000 Requests moves neither memory nor handles", async () => {
  const rig = new Rig({ phone: { queueDepth: 256 } });
  rig.connect();
  await rig.phone.online;
  const flood = async (count: number) => {
    let left = count;
    const worker = async (exportId: number) => {
      while (left-- > 0) await rig.phone.read(exportId, left % 3000, 1);
    };
    await Promise.all(Array.from({ length: 256 }, (_, index) => worker(index % 4)));
  };
  await flood(100_000);
  const handles = [...Deno.readDirSync("/proc/self/fd")].length;
  const beforeBytes = Deno.memoryUsage().rss;
  await flood(200_000);
  const grownBytes = Deno.memoryUsage().rss - beforeBytes;
  assert.ok(grownBytes < 48 * 2 ** 20, `grew by ${grownBytes} bytes`);
  assert.equal([...Deno.readDirSync("/proc/self/fd")].length, handles);
  assert.deepEqual(rig.phone.faults, []);
  assert.equal(rig.host.stats().inFlight, 0);
  await rig.stop();
});
