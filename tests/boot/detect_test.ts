import assert from "node:assert/strict";
import { detectPhones } from "../../lib/boot/detect.ts";
import type { PhoneRequest } from "../../lib/boot/request.ts";
import { FastboopError } from "../../lib/errors/errors.ts";
import { loadBundledProfiles } from "../../lib/cli/load_profiles.ts";
import type { UsbDevice } from "../../lib/usb/link.ts";
import { FakeBootloader } from "../support/fake_bootloader.ts";
import { fakeDevice, FakeUsbBus, FakeUsbLink } from "../support/fake_usb.ts";

const profiles = await loadBundledProfiles();
const IDS = { vendorId: 0x18d1, productId: 0x4ee0 };

function phone(path: string, ids = IDS): UsbDevice {
  const bootloader = new FakeBootloader({ variables: { product: "fastboop-virtual-x86_64" } });
  return fakeDevice(
    new FakeUsbLink({
      transferOut: (_endpoint, data) => bootloader.receive(data),
      transferIn: () => bootloader.next(),
    }, { ...ids, path, serial: `S-${path}` }),
  );
}

function detect(devices: UsbDevice[], request: PhoneRequest = {}) {
  const signal = new AbortController().signal;
  return detectPhones(new FakeUsbBus(() => devices), profiles, request, signal);
}

const busy = () => new FastboopError({ kind: "device", action: "Open", state: "busy" });

Deno.test("detectPhones() lists each phone with the profiles that fit", async () => {
  const found = await detect([phone("1-1"), phone("1-2", { vendorId: 1, productId: 2 })]);
  assert.deepEqual(
    found.map(({ path, serial, profiles }) => [path, serial, ...profiles.map(({ id }) => id)]),
    [["1-1", "S-1-1", "virtual-x86_64"], ["1-2", "S-1-2"]],
  );
});

Deno.test("detectPhones() keeps to the place and serial number asked for", async () => {
  const paths = async (request: PhoneRequest) =>
    (await detect(["1-1", "11-1", "usbip://h:1/1-1"].map((path) => phone(path)), request))
      .map(({ path }) => path);
  assert.deepEqual(await paths({ path: "1-1" }), ["1-1", "usbip://h:1/1-1"]);
  assert.deepEqual(await paths({ serial: "S-11-1" }), ["11-1"]);
});

Deno.test("detectPhones() tells why a phone cannot be asked, and leaves keyboards alone", async () => {
  const taken = fakeDevice(new FakeUsbLink({}, { ...IDS, path: "1-1" }), busy);
  const keyboard = fakeDevice(new FakeUsbLink({}, { vendorId: 0x46d, productId: 1 }), busy);
  const found = await detect([taken, keyboard]);
  assert.deepEqual(found.map(({ path, trouble }) => [path, trouble?.state]), [["1-1", "busy"]]);
});
