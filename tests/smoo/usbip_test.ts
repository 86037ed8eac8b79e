/** Host and phone over the real USB/IP client: order, cuts, and a host process that is killed. */
import assert from "node:assert/strict";
import { SmooHost } from "../../lib/smoo/host.ts";
import { isSmooInterface } from "../../lib/smoo/interface.ts";
import type { UsbLink } from "../../lib/usb/link.ts";
import { UsbIpBus } from "../../lib/usb/usbip/usbip_bus.ts";
import { PatternReader } from "../support/pattern_reader.ts";
import { SmooPhone } from "../support/smoo_phone.ts";
import { UsbIpServer } from "../support/usbip_server.ts";
import { seededRandom } from "./seeded_random.ts";
import { usbIpPhone } from "./usbip_phone.ts";

const reader = new PatternReader({ seed: 0xdead, blockSizeBytes: 4096, sizeBytes: 2 ** 23 });

function verify(phone: SmooPhone, lba: number, numBlocks: number): Promise<void> {
  const expected = new Uint8Array(numBlocks * 4096);
  reader.fill(lba * 4096, expected);
  return phone.verify(1, lba, numBlocks, expected);
}

async function open(address: string): Promise<UsbLink> {
  const [device] = await new UsbIpBus(address).list();
  const link = await device!.open(isSmooInterface);
  assert.ok(link);
  return link;
}

Deno.test("serve() over USB/IP gives the right bytes, up to 4 MiB at once", async () => {
  const phone = new SmooPhone({ stampsGeneration: true, scanBlocks: 2 });
  await using server = new UsbIpServer([usbIpPhone(phone)]);
  const host = new SmooHost([{ id: 1, name: "rootfs", reader, blockSizeBytes: 4096 }]);
  const stop = new AbortController();
  const ended = host.serve(await open(server.address), { signal: stop.signal });
  const random = seededRandom(7);
  const worker = async () => {
    for (let i = 0; i < 40; i++) {
      const numBlocks = 1 + random(random(4) === 0 ? 256 : 16);
      await verify(phone, random(2048 - numBlocks), numBlocks);
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  await Promise.all([verify(phone, 0, 1024), verify(phone, 7, 1), verify(phone, 1024, 1024)]);
  const { status } = await phone.write(1, 0, new Uint8Array(65536), 16);
  assert.equal(status, 95);
  await verify(phone, 2047, 1);
  stop.abort();
  assert.equal((await ended).reason, "cancelled");
  assert.deepEqual(phone.faults, []);
});

Deno.test("serve() over USB/IP goes on after each of ten cuts", async () => {
  const phone = new SmooPhone({ stampsGeneration: true });
  await using server = new UsbIpServer([usbIpPhone(phone)]);
  const host = new SmooHost([{ id: 1, name: "rootfs", reader, blockSizeBytes: 4096 }]);
  let isOver = false;
  let reads = 0;
  const worker = async (start: number) => {
    for (let i = start; !isOver; i++) {
      await verify(phone, (i * 31) % 1900, 1 + i % 100);
      reads++;
    }
  };
  const workers = Array.from({ length: 16 }, (_, index) => worker(index * 5));
  for (let cut = 0; cut < 10; cut++) {
    const ended = host.serve(await open(server.address));
    const goal = reads + 40;
    while (reads < goal) await new Promise((resolve) => setTimeout(resolve, 1));
    server.cut();
    const startMs = performance.now();
    assert.equal((await ended).reason, "lost");
    assert.ok(performance.now() - startMs < 2000);
  }
  isOver = true;
  const stop = new AbortController();
  const ended = host.serve(await open(server.address), { signal: stop.signal });
  await Promise.all(workers);
  stop.abort();
  await ended;
  assert.deepEqual(phone.faults, []);
  assert.equal(host.stats().bufferedBytes, 0);
});

Deno.test("a host that is killed with reads in flight is followed by one that answers them", async () => {
  const phone = new SmooPhone();
  await using server = new UsbIpServer([usbIpPhone(phone)]);
  const script = new URL("serve_child.ts", import.meta.url).pathname;
  const start = (mode: string) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--allow-net=127.0.0.1", script, server.address, mode],
      stdout: "piped",
    }).spawn();
  const reads = Promise.all(Array.from({ length: 16 }, (_, index) => verify(phone, index * 9, 5)));

  const first = start("hold");
  const output = first.stdout.getReader();
  assert.match(new TextDecoder().decode((await output.read()).value), /holding/);
  first.kill("SIGKILL");
  await first.status;
  await output.cancel();
  assert.equal(phone.unanswered, 16);

  const second = start("serve");
  await reads;
  second.kill("SIGKILL");
  await second.stdout.cancel();
  await second.status;
  assert.deepEqual(phone.faults, []);
});
