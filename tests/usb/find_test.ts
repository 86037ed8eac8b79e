import assert from "node:assert/strict";
import { FastboopError } from "../../lib/errors/errors.ts";
import { isFastbootInterface } from "../../lib/fastboot/interface.ts";
import { isSmooInterface } from "../../lib/smoo/interface.ts";
import { findPhone, type SeenDevice } from "../../lib/usb/find.ts";
import type { UsbInterface } from "../../lib/usb/link.ts";
import { ofKind } from "../support/expect_kind.ts";
import { fakeDevice, FakeUsbBus, FakeUsbLink, fastbootInterface } from "../support/fake_usb.ts";

const ids = [{ vendorId: 0x18d1, productId: 0xd00d }];
const bootloader = { what: "a phone in fastboot mode", match: isFastbootInterface };
const quick = { pollMs: 1, recheckMs: 0 };

function gadgetInterface(): UsbInterface {
  return {
    ...fastbootInterface(),
    endpoints: [
      ...fastbootInterface().endpoints,
      { address: 0x85, type: "interrupt", direction: "in", maxPacketBytes: 64 },
      { address: 0x07, type: "interrupt", direction: "out", maxPacketBytes: 64 },
    ],
  };
}

const busy = () => new FastboopError({ kind: "device", action: "Open", state: "it is in use" });
const forbidden = () => new FastboopError({ kind: "permission", action: "Open", state: "no" });

Deno.test("findPhone() waits until a bootloader is plugged in", async () => {
  const link = new FakeUsbLink({}, { serial: "A" });
  const bus = new FakeUsbBus((round) => round < 3 ? [] : [fakeDevice(link)]);
  bus.emptyBecause = "the server exports no device";
  const told: (string | undefined)[] = [];
  const found = await findPhone(bus, { ...bootloader, ids }, {
    ...quick,
    onWaiting: (_seen, why) => told.push(why),
  });
  assert.equal(found.link, link);
  assert.equal(bus.lists, 4);
  assert.deepEqual(told, ["the server exports no device"], "told once, not every round");
});

Deno.test("findPhone() tells a bootloader from a gadget that wears fastboot's class", async () => {
  const loader = new FakeUsbLink({}, { path: "1-1" });
  const gadget = new FakeUsbLink({}, { path: "1-2" }, gadgetInterface());
  const bus = new FakeUsbBus(() => [fakeDevice(loader), fakeDevice(gadget)]);
  assert.equal((await findPhone(bus, bootloader)).link, loader);
  const found = await findPhone(bus, { what: "the gadget", match: isSmooInterface });
  assert.equal(found.link, gadget);
  assert.deepEqual(found.unusable.map((s) => [s.path, s.reason]), [
    ["1-1", "it has no such interface"],
  ]);
});

Deno.test("findPhone() takes the gadget of the same serial number and no other", async () => {
  const other = new FakeUsbLink({}, { path: "1-1", serial: "OTHER" }, gadgetInterface());
  const none = new FakeUsbLink({}, { path: "1-2" }, gadgetInterface());
  const ours = new FakeUsbLink({}, { path: "1-3", serial: "OURS" }, gadgetInterface());
  const bus = new FakeUsbBus((round) =>
    (round < 2 ? [other, none] : [other, none, ours]).map((link) => fakeDevice(link))
  );
  let seen: readonly SeenDevice[] = [];
  const query = { what: "the gadget", match: isSmooInterface, serial: "OURS" };
  const found = await findPhone(bus, query, { ...quick, onWaiting: (now) => seen = now });
  assert.equal(found.link, ours);
  assert.deepEqual([other.disposed, none.disposed, ours.disposed], [true, true, false]);
  assert.deepEqual(seen.map((s) => [s.serial, s.reason]), [
    ["OTHER", "its serial number is not OURS"],
    [undefined, "it has no serial number, not OURS"],
  ]);
});

Deno.test("findPhone() never opens what cannot be meant", async () => {
  const keyboard = fakeDevice(new FakeUsbLink({}, { vendorId: 1, productId: 2, path: "1-1" }));
  const elsewhere = fakeDevice(new FakeUsbLink({}, { path: "1-2" }));
  const known = {
    ...fakeDevice(new FakeUsbLink({}, { path: "1-3" })),
    interfaces: [{ ...fastbootInterface(), classCode: 8 }],
  };
  const bus = new FakeUsbBus(() => [keyboard, elsewhere, known]);
  const finding = findPhone(bus, { ...bootloader, ids, path: "1-3" }, { timeoutMs: 0 });
  await assert.rejects(finding, ofKind("device", /3 other devices are there/));
  assert.deepEqual([keyboard.opens, elsewhere.opens, known.opens], [0, 0, 0]);
});

Deno.test("findPhone() goes on after devices that fail to open", async () => {
  const broken = fakeDevice(new FakeUsbLink({}, { path: "1-1" }), busy);
  const odd = fakeDevice(
    new FakeUsbLink({}, { path: "1-2" }),
    () => new FastboopError({ kind: "corrupt", action: "Read", state: "descriptor is odd" }),
  );
  const link = new FakeUsbLink({}, { path: "usbip://h:1/1-3" });
  const bus = new FakeUsbBus(() => [broken, odd, fakeDevice(link)]);
  const found = await findPhone(bus, { ...bootloader, ids });
  assert.equal(found.link, link);
  assert.deepEqual(found.unusable.map((s) => s.reason), ["it is in use", "descriptor is odd"]);
  assert.equal((await findPhone(bus, { ...bootloader, path: "1-3" })).link, link);
});

Deno.test("findPhone() ends with the device's own error when it stays forbidden or in use", async () => {
  for (const [error, kind] of [[forbidden, "permission"], [busy, "device"]] as const) {
    const bus = new FakeUsbBus(() => [fakeDevice(new FakeUsbLink(), error)]);
    const finding = findPhone(bus, { ...bootloader, ids }, { ...quick, troubleMs: 20 });
    await assert.rejects(finding, ofKind(kind, /^Open: /));
    assert.ok(bus.lists > 1, "a while is granted: udev rules and fwupd need it");
  }
  const bus = new FakeUsbBus(() => [fakeDevice(new FakeUsbLink(), forbidden)]);
  const unsure = findPhone(bus, bootloader, { ...quick, troubleMs: 0, timeoutMs: 20 });
  await assert.rejects(unsure, ofKind("device", /not usable:\n {2}1-1 {2}18d1:d00d {2}- {2}no/));
});

Deno.test("findPhone() counts trouble anew after the device could be opened", async () => {
  const link = new FakeUsbLink();
  const startMs = performance.now();
  let opens = 0;
  let lateOpens = 0;
  const bus = new FakeUsbBus(() => [
    fakeDevice(link, () => {
      const isLate = performance.now() - startMs > 40;
      return opens++ === 0 || (isLate && lateOpens++ === 0) ? busy() : undefined;
    }),
  ]);
  const accept = () => Promise.resolve(lateOpens < 2 ? "not yet" : undefined);
  const options = { ...quick, troubleMs: 20 };
  const found = await findPhone(bus, { ...bootloader, ids, accept }, options);
  assert.equal(found.link, link);
  const breaks = { ...bootloader, ids, accept: () => Promise.reject(busy()) };
  const broken = findPhone(new FakeUsbBus(() => [fakeDevice(link)]), breaks, options);
  await assert.rejects(broken, ofKind("device", /^Open: /), "opening alone is no success");
});

Deno.test("findPhone() refuses to choose among several, closes them and lists them", async () => {
  const links = ["AAA", "BBB"].map((serial, i) => new FakeUsbLink({}, { serial, path: `1-${i}` }));
  const bus = new FakeUsbBus(() => links.map((link) => fakeDevice(link)));
  await assert.rejects(
    findPhone(bus, bootloader),
    ofKind("device", /2 phones match:\n {2}1-0.*AAA.*\n {2}1-1.*BBB[^]*--device-serial/),
  );
  assert.ok(links.every((link) => link.disposed));
});

Deno.test("findPhone() lets `accept` decide and asks a rejected phone again later", async () => {
  const wrong = new FakeUsbLink({}, { path: "1-1", serial: "W" });
  const right = new FakeUsbLink({}, { path: "1-2", serial: "R" });
  const bus = new FakeUsbBus(() => [fakeDevice(wrong), fakeDevice(right)]);
  const asked: (string | undefined)[] = [];
  const found = await findPhone(bus, {
    ...bootloader,
    accept: (link) => {
      asked.push(link.info.serial);
      return Promise.resolve(link === right ? undefined : "product is not sdm845");
    },
  });
  assert.equal(found.link, right);
  assert.deepEqual(asked, ["W", "R"]);
  assert.deepEqual(found.unusable.map((s) => s.reason), ["product is not sdm845"]);

  const device = fakeDevice(wrong);
  const alone = new FakeUsbBus((round) => round === 5 ? [] : [device]);
  const accept = () => Promise.resolve("no");
  const rounds = { pollMs: 1, recheckMs: 60_000, timeoutMs: 40 };
  await assert.rejects(findPhone(alone, { ...bootloader, accept }, rounds), ofKind("device"));
  assert.ok(alone.lists > 6);
  assert.equal(device.opens, 2, "once, and once more after it was plugged in again");
});

Deno.test("findPhone() ends with `device` at the deadline and `cancelled` when stopped", async () => {
  const bus = new FakeUsbBus(() => []);
  bus.emptyBecause = "the connection was refused";
  const late = findPhone(bus, bootloader, { ...quick, timeoutMs: 5 });
  await assert.rejects(late, ofKind("device", /none found \(the connection was refused\)/));
  const stop = new AbortController();
  const stopped = findPhone(bus, bootloader, { signal: stop.signal });
  stop.abort();
  await assert.rejects(stopped, ofKind("cancelled"));
});

Deno.test("findPhone() passes on what the listing throws", async () => {
  const bus = new FakeUsbBus(() => {
    throw new FastboopError({ kind: "unsupported", action: "List", state: "no USB here" });
  });
  await assert.rejects(findPhone(bus, bootloader), ofKind("unsupported"));
});
