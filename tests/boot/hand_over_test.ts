import assert from "node:assert/strict";
import { handOver } from "../../lib/boot/hand_over.ts";
import { ofKind } from "../support/expect_kind.ts";
import { type BootloaderTraits, FakeBootloader } from "../support/fake_bootloader.ts";
import { FakeUsbBus, FakeUsbLink } from "../support/fake_usb.ts";
import { RecordedProgress } from "./recorded_progress.ts";

const image = { parts: [new Uint8Array(3000), new Uint8Array(5)], sizeBytes: 3005 };

function start(traits: BootloaderTraits, leaves: boolean) {
  const bootloader = new FakeBootloader(traits);
  const link: FakeUsbLink = new FakeUsbLink({
    transferOut: (_endpoint, data) => bootloader.receive(data),
    transferIn: () => {
      const reply = bootloader.next();
      if (leaves && bootloader.booted && bootloader.replies.length === 0) {
        queueMicrotask(() => queueMicrotask(() => setTimeout(() => link.unplug())));
      }
      return reply;
    },
  });
  const progress = new RecordedProgress();
  const done = handOver(link, image, {
    ...{ bus: new FakeUsbBus(() => []), progress, departureMs: 20 },
    signal: AbortSignal.timeout(10_000),
  });
  return { bootloader, link, progress, done };
}

Deno.test("handOver() sends the image, boots it and shows the bootloader's words", async () => {
  const { bootloader, link, progress, done } = start({}, true);
  await done;
  assert.equal(bootloader.image!.length, 3005);
  assert.ok(bootloader.booted && link.disposed);
  assert.equal(progress.count(/note \(bootloader\) handing over/), 1);
});

Deno.test("handOver() tells a bootloader that says OKAY and stays", async () => {
  const { link, done } = start({}, false);
  await assert.rejects(done, ofKind("refused", /said OKAY and is still there after 0\.02 s/));
  assert.ok(link.disposed);
});

Deno.test("handOver() closes the link when the bootloader refuses", async () => {
  const { link, done } = start({ override: (c) => c === "boot" ? ["FAILno"] : undefined }, false);
  await assert.rejects(done, ofKind("refused", /"no"/));
  assert.ok(link.disposed);
});
