import assert from "node:assert/strict";
import { findGadget } from "../../lib/boot/find_gadget.ts";
import type { UsbDevice } from "../../lib/usb/link.ts";
import { ofKind } from "../support/expect_kind.ts";
import { fakeDevice, FakeUsbBus, FakeUsbLink } from "../support/fake_usb.ts";
import { SmooPhone } from "../support/smoo_phone.ts";
import { GadgetDevice, IDENTITY } from "./gadget_device.ts";
import { RecordedProgress } from "./recorded_progress.ts";

function find(devices: (round: number) => UsbDevice[], waitMs?: number) {
  return findGadget(new FakeUsbBus(devices), {
    ...{ identity: IDENTITY, waitMs, progress: new RecordedProgress() },
    signal: AbortSignal.timeout(10_000),
  });
}

const bootloader = (serial: string, path = "1-1") =>
  fakeDevice(new FakeUsbLink({}, { ...IDENTITY, serial, path }));

Deno.test("findGadget() takes the gadget with the phone's serial number", async () => {
  const other = new GadgetDevice(new SmooPhone(), { ...IDENTITY, serial: "S2" }, "1-2");
  const right = new GadgetDevice(new SmooPhone());
  const link = await find((round) => round === 0 ? [] : [other, right]);
  assert.equal(link.info.serial, "S1");
  await other.cables[0]!.link.closed; // let go again
});

Deno.test("findGadget() opens nothing with other ids", async () => {
  const keyboard = fakeDevice(new FakeUsbLink({}, { vendorId: 0x046d, productId: 0xc31c }));
  await assert.rejects(find(() => [keyboard], 1), ofKind("lost"));
  assert.equal(keyboard.opens, 0);
});

Deno.test("findGadget() ends when the phone is in its bootloader again", async () => {
  await assert.rejects(find(() => [bootloader("S1")]), ofKind("lost", /fastboot mode again/));
});

Deno.test("findGadget() does not mind another phone of the model in fastboot mode", async () => {
  const right = new GadgetDevice(new SmooPhone(), IDENTITY, "1-2");
  const link = await find((round) => round === 0 ? [bootloader("S9")] : [bootloader("S9"), right]);
  assert.equal(link.info.path, "1-2");
});

Deno.test("findGadget() gives up in time and says where to look", async () => {
  await assert.rejects(find(() => [], 1), ofKind("lost", /did not come back[^]*stage0: FATAL/));
});

Deno.test("findGadget() says that two phones are alike, however long it waits", async () => {
  const twins = [
    new GadgetDevice(new SmooPhone()),
    new GadgetDevice(new SmooPhone(), IDENTITY, "1-2"),
  ];
  for (const waitMs of [undefined, 60_000]) {
    await assert.rejects(
      find(() => twins, waitMs),
      ofKind("device", /^Find the booted phone: 2 phones/),
    );
  }
});
