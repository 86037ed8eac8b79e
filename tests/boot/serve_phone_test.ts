import assert from "node:assert/strict";
import { servePhone } from "../../lib/boot/serve_phone.ts";
import { FastboopError } from "../../lib/errors/errors.ts";
import type { UsbDevice } from "../../lib/usb/link.ts";
import { ofKind } from "../support/expect_kind.ts";
import { fakeDevice, FakeUsbBus, FakeUsbLink } from "../support/fake_usb.ts";
import { PatternReader } from "../support/pattern_reader.ts";
import { SmooPhone } from "../support/smoo_phone.ts";
import { GadgetDevice, IDENTITY } from "./gadget_device.ts";
import { RecordedProgress } from "./recorded_progress.ts";

const reader = new PatternReader({ seed: 5, blockSizeBytes: 4096, sizeBytes: 1 << 20 });

function expected(lba: number, numBlocks: number): Uint8Array {
  const bytes = new Uint8Array(numBlocks * 4096);
  reader.fill(lba * 4096, bytes);
  return bytes;
}

/** Serves whatever `devices` holds at the moment. */
function serve(devices: UsbDevice[], firstWaitMs = 5000) {
  const stop = new AbortController();
  const progress = new RecordedProgress();
  const ended = servePhone({
    bus: new FakeUsbBus(() => devices),
    ...{ identity: IDENTITY, progress, signal: stop.signal, firstWaitMs },
    exports: [{ id: 1, name: "rootfs", reader, blockSizeBytes: 4096 }],
  });
  ended.catch(() => {});
  const reason = new FastboopError({ kind: "cancelled", action: "Run", state: "stopped" });
  return { ended, progress, stop: () => stop.abort(reason) };
}

Deno.test("servePhone() finds the phone again and says so once", async () => {
  const phone = new SmooPhone();
  const gadget = new GadgetDevice(phone);
  const { ended, progress, stop } = serve([gadget]);
  await phone.verify(1, 0, 4, expected(0, 4));
  gadget.cables[0]!.unplug();
  await phone.verify(1, 9, 3, expected(9, 3));
  assert.equal(gadget.cables.length, 2);
  assert.equal(progress.count(/phase The phone is gone/), 1);
  assert.equal(progress.count(/phase The phone is back/), 1);
  stop();
  await assert.rejects(ended, ofKind("cancelled", /still needs a host/));
});

Deno.test("servePhone() tells a loose cable once, however often it fails", async () => {
  const phone = new SmooPhone();
  const gadget = new GadgetDevice(phone);
  phone.control = (setup) => {
    if (setup.request !== 1 || gadget.cables.length === 1 || gadget.cables.length > 4) return;
    gadget.cables.at(-1)!.unplug();
    return "silence";
  };
  const { ended, progress, stop } = serve([gadget]);
  await phone.verify(1, 0, 4, expected(0, 4));
  gadget.cables[0]!.unplug();
  await phone.verify(1, 1, 1, expected(1, 1));
  assert.equal(gadget.cables.length, 5);
  assert.equal(progress.count(/phase The phone is gone/), 1, progress.lines.join("\n"));
  stop();
  await assert.rejects(ended, ofKind("cancelled"));
});

Deno.test("servePhone() gives up on a phone that never answers once", async () => {
  const phone = new SmooPhone();
  const gadget = new GadgetDevice(phone);
  phone.control = () => {
    gadget.cables.at(-1)!.unplug();
    return "silence";
  };
  await assert.rejects(serve([gadget], 300).ended, ofKind("lost"));
});

Deno.test("servePhone() serves a phone whose block server started anew", async () => {
  const phone = new SmooPhone({ sessionId: 1n });
  const { ended, progress, stop } = serve([new GadgetDevice(phone)]);
  await phone.verify(1, 0, 4, expected(0, 4));
  phone.sessionId = 2n;
  while (progress.count(/phase Serving/) < 2) await new Promise((r) => setTimeout(r, 5));
  await phone.verify(1, 4, 4, expected(4, 4));
  assert.equal(progress.count(/note .*started anew/), 1);
  stop();
  await assert.rejects(ended, ofKind("cancelled"));
});

Deno.test("servePhone() ends when the phone refuses its disks", async () => {
  const phone = new SmooPhone();
  phone.control = (setup) => setup.request === 2 ? "stall" : undefined;
  await assert.rejects(serve([new GadgetDevice(phone)]).ended, ofKind("refused"));
});

Deno.test("servePhone() ends when the phone never comes", async () => {
  await assert.rejects(serve([], 1).ended, ofKind("lost", /did not come back/));
});

Deno.test("servePhone() ends when the phone is in its bootloader again", async () => {
  const phone = new SmooPhone();
  const gadget = new GadgetDevice(phone);
  const devices: UsbDevice[] = [gadget];
  const { ended } = serve(devices);
  await phone.verify(1, 0, 4, expected(0, 4));
  devices[0] = fakeDevice(new FakeUsbLink({}, { ...IDENTITY, path: "1-1" }));
  gadget.cables[0]!.unplug();
  await assert.rejects(ended, ofKind("lost", /fastboot mode again/));
});

Deno.test("servePhone() that is stopped before a phone came says nothing about one", async () => {
  const { ended, stop } = serve([]);
  stop();
  await assert.rejects(ended, (error: FastboopError) => {
    assert.deepEqual([error.kind, error.hint], ["cancelled", undefined]);
    return true;
  });
});

Deno.test("servePhone() that is stopped while the phone is gone asks nothing of its user", async () => {
  const phone = new SmooPhone();
  const devices: UsbDevice[] = [new GadgetDevice(phone)];
  const { ended, progress, stop } = serve(devices);
  await phone.verify(1, 0, 4, expected(0, 4));
  const [gadget] = devices.splice(0) as GadgetDevice[];
  gadget!.cables[0]!.unplug();
  while (progress.count(/The phone is gone/) === 0) await new Promise((r) => setTimeout(r, 5));
  stop();
  await assert.rejects(ended, (error: FastboopError) => {
    assert.deepEqual([error.kind, error.hint], ["cancelled", undefined]);
    return true;
  });
});
