import assert from "node:assert/strict";
import { buildDescriptors, smooShape } from "../../support/usb_descriptors.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { gadget, openFirst } from "../../support/usbip_phone.ts";
import { type Outcome, UsbIpServer } from "../../support/usbip_server.ts";

const silence = new Promise<Outcome>(() => {});

Deno.test("UsbIpLink never asks an interrupt pipe with interval 0", async () => {
  const cases = [[3, 0, 1], [3, 1, 1], [3, 4, 8], [5, 16, 32768], [2, 0, 1], [2, 9, 9]] as const;
  for (const [speed, interval, expected] of cases) {
    const shape = smooShape("S");
    for (const endpoint of shape.interfaces[0]!.endpoints) endpoint.interval = interval;
    const descriptors = buildDescriptors(shape);
    await using server = new UsbIpServer([
      gadget({ speed, descriptors, transferIn: () => new Uint8Array(1), transferOut: () => 0 }),
    ]);
    await using link = await openFirst(server);
    await link.transferIn(0x85, 28);
    await link.transferOut(0x07, new Uint8Array(28));
    await link.transferOut(0x02, new Uint8Array(8));
    const data = server.urbs.filter((urb) => urb.endpoint !== 0);
    assert.deepEqual(data.map((urb) => urb.interval), [expected, expected, 0]);
    assert.deepEqual(data.map((urb) => urb.flags), [0x200, 0, 0]);
  }
});

Deno.test("UsbIpLink keeps several transfers of one endpoint in flight, in order", async () => {
  const gate = Promise.withResolvers<void>();
  let count = 0;
  await using server = new UsbIpServer([gadget({
    transferIn: async () => {
      await gate.promise;
      return Uint8Array.of(++count);
    },
  })]);
  await using link = await openFirst(server);
  const reads = [1, 2, 3, 4].map(() => link.transferIn(0x85, 28));
  while (server.urbs.filter((urb) => urb.endpoint === 5).length < 4) {
    await link.controlIn(STATUS, 1).catch(() => {});
  }
  gate.resolve();
  assert.deepEqual((await Promise.all(reads)).map((bytes) => bytes[0]), [1, 2, 3, 4]);
});

const STATUS = { requestType: 0xa1, request: 3, value: 0, index: 0 };

Deno.test("UsbIpLink: a stopped data transfer is unlinked and ends the link", async () => {
  await using server = new UsbIpServer([gadget({ transferIn: () => silence })]);
  const link = await openFirst(server);
  const stop = new AbortController();
  const stopped = link.transferIn(0x85, 28, { signal: stop.signal });
  const other = assert.rejects(link.transferIn(0x81, 10), ofKind("lost", /stopped/));
  stop.abort();
  await assert.rejects(stopped, ofKind("cancelled"));
  await other;
  await link.closed;
  await assert.rejects(link.transferIn(0x85, 28), ofKind("lost"));
  await assert.rejects(link.transferIn(0x85, 28, { signal: stop.signal }), ofKind("cancelled"));
  await using second = await openFirst(server);
  await assert.rejects(second.transferIn(0x85, 28, { signal: stop.signal }), ofKind("cancelled"));
  await second.closed; // as npm:usb's link does: what was stopped may be a part of something
});

Deno.test("UsbIpLink: a control transfer may stall, be late or be stopped; the link stays", async () => {
  let answer: () => Promise<Outcome> | Outcome = () => -32;
  await using server = new UsbIpServer([gadget({ control: () => answer() })]);
  await using link = await openFirst(server);
  await assert.rejects(link.controlIn(STATUS, 16), ofKind("refused"));
  answer = () => silence;
  await assert.rejects(link.controlIn(STATUS, 16, { timeoutMs: 20 }), ofKind("lost", /20 ms/));
  const stop = new AbortController();
  const stopped = link.controlOut(STATUS, new Uint8Array(3), { signal: stop.signal });
  stop.abort();
  await assert.rejects(stopped, ofKind("cancelled"));
  answer = () => Uint8Array.of(4, 5, 6);
  assert.deepEqual([...await link.controlIn(STATUS, 2)], [4, 5]);
  assert.equal(server.unlinked.length, 2);
});

Deno.test("UsbIpLink: the cable out in the middle of a split write is `lost`, all at once", async () => {
  for (const cutAt of [1, 2, 5, 8]) {
    let parts = 0;
    await using server: UsbIpServer = new UsbIpServer([gadget({
      transferIn: () => silence,
      transferOut: (): Outcome => {
        if (++parts === cutAt) server.cut();
        return 0;
      },
    })]);
    const link = await openFirst(server);
    const waiting = assert.rejects(link.transferIn(0x85, 28), ofKind("lost"));
    const writing = link.transferOut(0x02, new Uint8Array(8 * 1024 * 1024));
    await assert.rejects(writing, ofKind("lost", /unplugged|reset|ended|pipe/i));
    await waiting;
    await link.closed;
    assert.ok(parts >= cutAt && parts <= cutAt + 3, "only a few parts are ever in flight");
  }
});

Deno.test("UsbIpLink: one deadline covers all parts", async () => {
  let parts = 0;
  await using server = new UsbIpServer([gadget({
    transferIn: (_endpoint, lengthBytes) => ++parts < 3 ? new Uint8Array(lengthBytes) : silence,
  })]);
  const link = await openFirst(server);
  const late = link.transferIn(0x81, 4 * 1024 * 1024, { timeoutMs: 300 });
  await assert.rejects(late, ofKind("lost", /no answer within/));
  assert.equal(parts, 3);
  await link.closed;
});

Deno.test("UsbIpLink splits at multiples of an odd packet size", async () => {
  const shape = smooShape("S");
  shape.interfaces[0]!.endpoints[0]!.maxPacketBytes = 500;
  await using server = new UsbIpServer([
    gadget({ descriptors: buildDescriptors(shape), transferOut: () => 0 }),
  ]);
  await using link = await openFirst(server);
  await link.transferOut(0x02, new Uint8Array(2_000_000));
  const sizes = server.urbs.filter((urb) => urb.endpoint === 2).map((urb) => urb.lengthBytes);
  assert.deepEqual(sizes, [1048500, 951500]);
});

Deno.test("UsbIpLink takes nothing for an endpoint that the interface has not", async () => {
  await using server = new UsbIpServer([gadget()]);
  await using link = await openFirst(server);
  await assert.rejects(link.transferIn(0x83, 1), ofKind("internal", /no in endpoint 0x83/));
  await assert.rejects(link.transferIn(0x02, 1), ofKind("internal"));
  await assert.rejects(link.transferOut(0x81, new Uint8Array(1)), ofKind("internal"));
  const into = new Uint8Array(3);
  await assert.rejects(link.transferIn(0x81, 4, { into }), ofKind("internal", /3 bytes/));
});
