import assert from "node:assert/strict";
import { waitDeparture } from "../../lib/fastboot/wait_departure.ts";
import { ofKind } from "../support/expect_kind.ts";
import { fakeDevice, FakeUsbBus, FakeUsbLink } from "../support/fake_usb.ts";

Deno.test("waitDeparture() is true when the link ends", async () => {
  const link = new FakeUsbLink();
  const waiting = waitDeparture(link);
  link.unplug();
  assert.equal(await waiting, true);
});

Deno.test("waitDeparture() is true when a listed device is not listed any more", async () => {
  const link = new FakeUsbLink();
  const bus = new FakeUsbBus((round) => round < 3 ? [fakeDevice(link)] : []);
  assert.equal(await waitDeparture(link, { bus, pollMs: 1 }), true);
  assert.equal(bus.lists, 4);
});

Deno.test("waitDeparture() is false when it stays, or was never listed", async () => {
  const link = new FakeUsbLink();
  const stays = new FakeUsbBus(() => [fakeDevice(link)]);
  assert.equal(await waitDeparture(link, { bus: stays, pollMs: 1, timeoutMs: 20 }), false);
  const hides = new FakeUsbBus(() => []);
  assert.equal(await waitDeparture(link, { bus: hides, pollMs: 1, timeoutMs: 20 }), false);
  assert.ok(hides.lists > 1);
});

Deno.test("waitDeparture() can be stopped", async () => {
  const stop = new AbortController();
  const waiting = waitDeparture(new FakeUsbLink(), { signal: stop.signal });
  stop.abort();
  await assert.rejects(waiting, ofKind("cancelled"));
});
