import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { UsbInterface, UsbLink } from "../../lib/usb/link.ts";
import { NodeUsbBus, openNodeUsb } from "../../lib/usb/node_usb.ts";
import { ofKind } from "../support/expect_kind.ts";
import { fakeWebUsb, FakeWebUsbDevice, plainInterface } from "../support/fake_web_usb.ts";

const any = (candidate: UsbInterface) => candidate.classCode === 0xff;

async function open(device: FakeWebUsbDevice): Promise<UsbLink> {
  const [seen] = await new NodeUsbBus(fakeWebUsb([device])).list();
  const link = await seen!.open(any);
  assert.ok(link);
  return link;
}

Deno.test("NodeUsbBus.list() names places as the kernel does, without opening", async () => {
  const devices = [
    new FakeWebUsbDevice(),
    new FakeWebUsbDevice({ bus: "020", ports: [1] }),
    new FakeWebUsbDevice({ bus: "USBROOT(0)", ports: [] }),
  ];
  const listed = await new NodeUsbBus(fakeWebUsb(devices)).list();
  assert.deepEqual(listed.map((d) => d.info.path), ["1-2.3", "20-1", "USBROOT(0):7"]);
  assert.deepEqual(devices.flatMap((d) => d.calls), []);
});

Deno.test("NodeUsbBus.list() fails with a kind that says why", async () => {
  const fails = (text: string) => new NodeUsbBus(fakeWebUsb([], text)).list();
  await assert.rejects(
    fails("/sys/bus/usb/devices/ not found (errno 2)"),
    ofKind("unsupported", /no \/sys\/bus\/usb[^]*usbip/),
  );
  await assert.rejects(
    fails("/sys/bus/usb/devices/ permission denied (errno 13)"),
    ofKind("permission"),
  );
});

Deno.test("the real addon loads, and lists or says that there is no USB", async () => {
  await using bus = await openNodeUsb();
  try {
    for (const device of await bus.list()) assert.ok(device.info.path.length > 0);
  } catch (error) {
    ofKind("unsupported", /no \/sys\/bus\/usb/)(error);
  }
});

Deno.test("UsbDevice.open() configures only when needed and claims the matching interface", async () => {
  const fresh = new FakeWebUsbDevice({ serial: " S1 " });
  const link = await open(fresh);
  assert.deepEqual(fresh.calls, ["open", "selectConfiguration 1", "claimInterface 3"]);
  assert.deepEqual(link.info, { vendorId: 0x18d1, productId: 0xd00d, path: "1-2.3", serial: "S1" });
  assert.deepEqual(link.claimed.endpoints.map((e) => e.address), [0x81, 0x01, 0x82, 0x02]);
  await link[Symbol.asyncDispose]();
  assert.equal(fresh.calls.at(-1), "close");
  await link.closed;

  const alternates = plainInterface().alternates;
  const second = { ...alternates[0]!, alternateSetting: 2, interfaceClass: 0xff };
  const first = { ...alternates[0]!, interfaceClass: 8 };
  const active = new FakeWebUsbDevice({
    active: 1,
    configurations: [{
      configurationValue: 1,
      interfaces: [{ interfaceNumber: 3, alternates: [first, second] }],
    }],
  });
  await using other = await open(active);
  assert.equal(other.info.serial, undefined, "one that cannot be read is none");
  assert.deepEqual(active.calls, ["open", "claimInterface 3", "selectAlternateInterface 3 2"]);
});

Deno.test("UsbDevice.open() closes what it does not use", async () => {
  const device = new FakeWebUsbDevice();
  const [seen] = await new NodeUsbBus(fakeWebUsb([device])).list();
  assert.equal(await seen!.open(() => false), undefined);
  assert.equal(device.calls.at(-1), "close");
  const cases = [
    ["open", "permission denied (errno 13)", "permission"],
    ["claimInterface", "interface is busy (errno 16)", "device"],
    ["claimInterface", "device disconnected (errno 19)", "lost"],
  ] as const;
  for (const [call, text, kind] of cases) {
    device.script.failures = { [call]: text };
    await assert.rejects(seen!.open(any), ofKind(kind));
    assert.equal(device.calls.at(-1), "close");
  }
});

Deno.test("UsbDevice.open() closes a device that opened after the deadline", async () => {
  const gate = Promise.withResolvers<void>();
  const device = new FakeWebUsbDevice();
  device.open = () => {
    device.calls.push("open");
    return gate.promise;
  };
  await using bus = new NodeUsbBus(fakeWebUsb([device]));
  const [seen] = await bus.list();
  await assert.rejects(seen!.open(any, { timeoutMs: 1 }), ofKind("lost", /not done within 1 ms/));
  gate.resolve();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.deepEqual(device.calls, ["open", "close"]);
});

Deno.test("NodeUsbLink queues transfers of one endpoint and never uses the 1000 ms default", async () => {
  const device = new FakeWebUsbDevice({
    incoming: [1, 2, 3].map((value) => new Uint8Array(4).fill(value)),
  });
  await using link = await open(device);
  const reads = await Promise.all([1, 2, 3].map(() => link.transferIn(0x81, 4)));
  assert.deepEqual(reads.map((bytes) => bytes[0]), [1, 2, 3]);
  await Promise.all([
    link.transferOut(0x01, Uint8Array.of(1)),
    link.transferOut(0x01, Uint8Array.of(2)),
  ]);
  assert.deepEqual(device.sent.map((bytes) => [...bytes]), [[1], [2]]);
  assert.ok(device.timeouts.every((ms) => ms === 600_000), String(device.timeouts));
});

Deno.test("NodeUsbLink moves data in pieces of 1 MiB; a short piece ends a read", async () => {
  const whole = Uint8Array.from({ length: 2_500_000 }, (_, i) => (i * 7) & 0xff);
  const device = new FakeWebUsbDevice({
    incoming: [whole.slice(0, 1048576), whole.slice(1048576, 1048576 + 100)],
  });
  await using link = await open(device);
  await link.transferOut(0x01, whole);
  assert.deepEqual(device.sent.map((bytes) => bytes.length), [1048576, 1048576, 402848]);
  assert.equal(Buffer.compare(Buffer.concat(device.sent), whole), 0);
  const read = await link.transferIn(0x81, 3_000_000);
  assert.equal(Buffer.compare(read, whole.subarray(0, 1048676)), 0);
});

Deno.test("NodeUsbLink waits on an interrupt pipe in turns that lose nothing", async () => {
  const incoming: Uint8Array<ArrayBuffer>[] = [];
  let turns = 0;
  const onExpiry = () => {
    if (++turns === 3) incoming.push(new Uint8Array(28).fill(9));
  };
  const device = new FakeWebUsbDevice({ incoming, hurryMs: 1, onExpiry });
  await using link = await open(device);
  assert.deepEqual([...await link.transferIn(0x82, 28)], new Array(28).fill(9));
  assert.deepEqual(device.timeouts, [1000, 1000, 1000, 1000]);
});

Deno.test("NodeUsbLink ends with any failed data transfer, and says why", async () => {
  for (
    const [text, kind] of [["Stall", "refused"], ["Disconnected", "lost"], [
      "Fault",
      "lost",
    ]] as const
  ) {
    const device = new FakeWebUsbDevice({ failures: { transferOut: text } });
    const link = await open(device);
    const reading = link.transferIn(0x81, 4);
    const [write, read] = await Promise.allSettled([
      link.transferOut(0x01, new Uint8Array(1)),
      reading,
    ]);
    assert.ok(write.status === "rejected" && ofKind(kind)(write.reason), text);
    assert.ok(read.status === "rejected" && ofKind("lost", /earlier transfer/)(read.reason));
    await link.closed;
    await assert.rejects(link.transferIn(0x82, 4), ofKind("lost"));
    device.unplug();
  }
});

Deno.test("NodeUsbLink: a deadline or a stop ends a data transfer and the link", async () => {
  const late = await open(new FakeWebUsbDevice());
  await assert.rejects(late.transferIn(0x81, 4, { timeoutMs: 20 }), ofKind("lost", /in time/));
  await late.closed;

  const device = new FakeWebUsbDevice();
  const link = await open(device);
  const stop = new AbortController();
  const first = link.transferIn(0x81, 4, { signal: stop.signal });
  const queued = link.transferIn(0x81, 4);
  stop.abort();
  await assert.rejects(first, ofKind("cancelled"));
  await assert.rejects(queued, ofKind("lost"));
  await link.closed;
  device.unplug(); // the native transfer cannot be taken back; it ends by itself
});

Deno.test("NodeUsbLink: control transfers stall and expire without ending the link", async () => {
  const device = new FakeWebUsbDevice();
  await using link = await open(device);
  const setup = { requestType: 0xa1, request: 3, value: 0, index: 3 };
  device.script.failures = { controlTransferIn: "endpoint stalled" };
  await assert.rejects(link.controlIn(setup, 16), ofKind("refused"));
  device.script.failures = {};
  await assert.rejects(link.controlIn(setup, 16, { timeoutMs: 20 }), ofKind("lost", /in time/));
  device.script.incoming = [new Uint8Array(16).fill(5)];
  assert.deepEqual([...await link.controlIn(setup, 16)], new Array(16).fill(5));
  assert.match(device.calls.at(-1)!, /"requestType":"class","recipient":"interface","request":3/);
  await link.controlOut({ ...setup, requestType: 0x41, request: 2 }, Uint8Array.of(1, 2));
  assert.match(device.calls.at(-1)!, /^controlTransferOut .*"vendor","recipient":"interface".* 2$/);

  device.script.failures = { controlTransferIn: "device disconnected" };
  await assert.rejects(link.controlIn(setup, 16), ofKind("lost"));
  await link.closed;
});
