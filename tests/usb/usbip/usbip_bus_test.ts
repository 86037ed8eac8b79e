import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { ErrorKind } from "../../../lib/errors/errors.ts";
import { UsbIpBus } from "../../../lib/usb/usbip/usbip_bus.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { buildDescriptors, fastbootShape } from "../../support/usb_descriptors.ts";
import { gadget, openFirst } from "../../support/usbip_phone.ts";
import { UsbIpServer, writeBytes } from "../../support/usbip_server.ts";

Deno.test("UsbIpBus.list() shows what the server exports, with paths that open one device", async () => {
  await using server = new UsbIpServer([
    gadget(),
    gadget({ busId: "2-3.4", descriptors: buildDescriptors(fastbootShape()) }),
  ]);
  await using bus = new UsbIpBus(server.address);
  const devices = await bus.list();
  assert.deepEqual(devices.map((d) => d.info), [
    { vendorId: 0x18d1, productId: 0xd00d, path: `${server.address}/1-1` },
    { vendorId: 0x18d1, productId: 0xd00d, path: `${server.address}/2-3.4` },
  ]);
  assert.equal(bus.emptyBecause, undefined);
  await using one = new UsbIpBus(devices[1]!.info.path);
  assert.deepEqual((await one.list()).map((d) => d.info.path), [`${server.address}/2-3.4`]);
});

Deno.test("UsbIpBus.list() is empty and says why when nobody is there yet", async () => {
  const server = new UsbIpServer([gadget()]);
  const { address } = server;
  await using absent = new UsbIpBus(`${address}/9-9`);
  assert.deepEqual(await absent.list(), []);
  assert.match(absent.emptyBecause ?? "", /exports 1 devices, but not 9-9/);

  await using bus = new UsbIpBus(address);
  server.raw = () => Promise.resolve(); // accepts and hangs up, as port forwarders do
  assert.deepEqual(await bus.list(), []);
  assert.match(bus.emptyBecause ?? "", /ended the connection/);

  const { promise: forever, resolve: release } = Promise.withResolvers<void>();
  server.raw = () => forever;
  assert.deepEqual(await bus.list({ timeoutMs: 30 }), []);
  assert.match(bus.emptyBecause ?? "", /no answer within 30 ms/);
  release();

  await server[Symbol.asyncDispose]();
  assert.deepEqual(await bus.list(), []);
  assert.match(bus.emptyBecause ?? "", /refused/);
});

Deno.test("UsbIpBus.list() rejects answers that are no listing", async () => {
  await using server = new UsbIpServer();
  await using bus = new UsbIpBus(server.address);
  const answers: [number[], ErrorKind, RegExp][] = [
    [[0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e, 0x31], "corrupt", /version is 0x4854/],
    [[1, 0x11, 0, 3, 0, 0, 0, 0], "corrupt", /code is 0x0003/],
    [[1, 0x11, 0, 5, 0, 0, 0, 1], "corrupt", /status is 1/],
    [[1, 0x11, 0, 5, 0, 0, 0, 0, 0, 0, 4, 1], "limit", /1025 devices/],
    [[1, 0x11, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, ...new Array(312).fill(0)], "corrupt", /bus id/],
  ];
  for (const [bytes, expected, state] of answers) {
    server.raw = (conn) => writeBytes(conn, Uint8Array.from(bytes));
    await assert.rejects(bus.list(), ofKind(expected, state));
  }
});

Deno.test("UsbDevice.open() reads descriptors, configures and claims what matches", async () => {
  await using server = new UsbIpServer([gadget()]);
  await using bus = new UsbIpBus(server.address);
  const [device] = await bus.list();
  assert.equal(await device!.open((i) => i.classCode === 8), undefined);
  const link = await openFirst(server);
  assert.equal(link.info.serial, "PHONE-1");
  assert.deepEqual(link.claimed.endpoints.map((e) => [e.address, e.type, e.direction]), [
    [0x02, "bulk", "out"],
    [0x81, "bulk", "in"],
    [0x85, "interrupt", "in"],
    [0x07, "interrupt", "out"],
  ]);
  await link[Symbol.asyncDispose]();
  await link.closed;
});

Deno.test("UsbDevice.open() waits while the device is busy after a detach", async () => {
  await using server = new UsbIpServer([gadget({ refusals: [2, 2, 1] })]);
  await using link = await openFirst(server);
  assert.equal(link.info.serial, "PHONE-1");
  assert.equal(server.imports, 1);
});

Deno.test("UsbDevice.open() names the reason when the server refuses", async () => {
  const device = gadget();
  await using server = new UsbIpServer([device]);
  await using bus = new UsbIpBus(server.address);
  const [seen] = await bus.list();
  device.refusals = [3];
  await assert.rejects(seen!.open(() => true), ofKind("device", /gave the device up/));
  device.refusals = new Array(100).fill(2);
  const stop = new AbortController();
  const opening = seen!.open(() => true, { signal: stop.signal });
  stop.abort();
  await assert.rejects(opening, ofKind("cancelled"));
  server.devices.length = 0;
  await assert.rejects(seen!.open(() => true), ofKind("lost", /not there any more/));
});

Deno.test("UsbIpBus moves data both ways, split above 1 MiB, nothing lost or mixed", async () => {
  const sent: Uint8Array[] = [];
  const pattern = (sizeBytes: number, seed: number) =>
    Uint8Array.from({ length: sizeBytes }, (_, i) => (i * 7 + (i >> 9) + seed) & 0xff);
  const source = pattern(3 * 1024 * 1024 + 100, 5);
  let at = 0;
  await using server = new UsbIpServer([gadget({
    transferOut: (_endpoint, data) => {
      sent.push(data);
      return 0;
    },
    transferIn: (_endpoint, lengthBytes) => {
      const some = source.subarray(at, at + lengthBytes);
      at += some.length;
      return some;
    },
  })]);
  await using link = await openFirst(server);
  const whole = pattern(2 * 1024 * 1024 + 5, 1);
  const small = pattern(33, 2);
  await Promise.all([link.transferOut(0x02, whole), link.transferOut(0x02, small)]);
  assert.deepEqual(sent.map((s) => s.length), [1048576, 1048576, 5, 33]);
  assert.equal(Buffer.compare(Buffer.concat(sent), Buffer.concat([whole, small])), 0);

  const into = new Uint8Array(3 * 1024 * 1024);
  const [first, second] = await Promise.all([
    link.transferIn(0x81, into.length, { into }),
    link.transferIn(0x81, 4096),
  ]);
  assert.equal(first.buffer, into.buffer, "the data lands in the caller's buffer");
  assert.equal(Buffer.compare(first, source.subarray(0, into.length)), 0);
  assert.deepEqual([...second], [...source.subarray(into.length)], "a short packet ends it");
  whole[1_500_000]! ^= 1;
  assert.notEqual(Buffer.compare(Buffer.concat(sent), Buffer.concat([whole, small])), 0);
});
