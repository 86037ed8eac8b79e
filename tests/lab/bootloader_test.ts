import assert from "node:assert/strict";
import type { UsbInterface, UsbLink } from "../../lib/usb/link.ts";
import { UsbIpBus } from "../../lib/usb/usbip/usbip_bus.ts";
import { Bootloader, type BootloaderFaults } from "./bootloader.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const isFastboot = (i: UsbInterface) =>
  i.classCode === 0xff && i.subclassCode === 0x42 && i.protocolCode === 0x03;

interface Rig {
  bootloader: Bootloader;
  link: UsbLink;
  booted: Uint8Array[];
  say(command: string | Uint8Array): Promise<void>;
  hear(): Promise<string>;
}

/** Runs `test` against a bootloader behind a loopback port, through the production USB/IP client. */
async function withBootloader(
  test: (rig: Rig) => Promise<void>,
  faults: BootloaderFaults = {},
): Promise<void> {
  const booted: Uint8Array[] = [];
  const facts = { vendorId: 0x18d1, productId: 0x4ee0, serial: "LAB0002" };
  const bootloader = new Bootloader(
    { ...facts, variables: { product: "lab" }, maxDownloadBytes: 4096, faults },
    (image) => image[0] === 0x41 ? undefined : "not an image",
    (image) => booted.push(image),
  );
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) {
      served.push(bootloader.serve(connection).finally(() => connection.close()));
    }
  })().catch(() => {});
  try {
    await using bus = new UsbIpBus(`usbip://127.0.0.1:${listener.addr.port}`);
    const [device] = await bus.list();
    await using link = (await device!.open(isFastboot))!;
    const [input, output] = [0x81, 0x01];
    await test({
      bootloader,
      link,
      booted,
      say: (command) =>
        link.transferOut(output, typeof command === "string" ? encode(command) : command),
      hear: async () => new TextDecoder().decode(await link.transferIn(input, 256)),
    });
  } finally {
    listener.close();
    await accepting;
    await Promise.all(served);
  }
}

Deno.test("Bootloader shows its ids, serial and one fastboot interface", async () => {
  await withBootloader(({ link }) => {
    assert.equal(link.info.vendorId, 0x18d1);
    assert.equal(link.info.productId, 0x4ee0);
    assert.equal(link.info.serial, "LAB0002");
    assert.deepEqual(link.claimed.endpoints.map((e) => e.address), [0x81, 0x01]);
    return Promise.resolve();
  });
});

Deno.test("Bootloader answers getvar, and FAIL for what it does not know", async () => {
  await withBootloader(async ({ say, hear }) => {
    await say("getvar:product");
    assert.equal(await hear(), "OKAYlab");
    await say("getvar:nothing");
    assert.match(await hear(), /^FAIL/);
    await say("getvar:max-download-size");
    assert.equal(await hear(), "OKAY0x1000");
  });
});

Deno.test("Bootloader takes a download, boots it and leaves the bus", async () => {
  await withBootloader(async ({ say, hear, booted, link, bootloader }) => {
    const image = new Uint8Array(3000).fill(0x41);
    await say("download:00000bb8");
    assert.equal(await hear(), "DATA00000bb8");
    await say(image.subarray(0, 1024));
    await say(image.subarray(1024));
    assert.equal(await hear(), "OKAY");
    await say("boot");
    assert.equal(await hear(), "OKAY");
    await link.closed;
    assert.deepEqual(booted, [image]);
    const kinds = bootloader.wire.map((entry) => `${entry.kind} ${entry.text}`);
    assert.deepEqual(kinds, [
      "command download:00000bb8",
      "reply DATA00000bb8",
      ...["data 1024", "data 1976", "reply OKAY", "command boot", "reply OKAY"],
    ]);
  });
});

Deno.test("Bootloader refuses what it cannot boot, and any other command, and records it", async () => {
  await withBootloader(async ({ say, hear, booted, bootloader }) => {
    await say("boot");
    assert.equal(await hear(), "FAILno image");
    await say("download:00000001");
    await hear();
    await say(new Uint8Array([0x42]));
    await hear();
    await say("boot");
    assert.equal(await hear(), "FAILnot an image");
    await say("erase:userdata");
    assert.equal(await hear(), "FAILunknown command");
    assert.equal(booted.length, 0);
    assert.ok(bootloader.wire.some((entry) => entry.text === "erase:userdata"));
  });
});

Deno.test("Bootloader misbehaves as told", async () => {
  await withBootloader(async ({ say, hear }) => {
    await say("download:00000010");
    assert.equal(await hear(), "INFOline 0");
    assert.equal(await hear(), "DATA00000012");
  }, { infoLines: 1, dataSizeDelta: 2 });
  await withBootloader(async ({ say, link }) => {
    await say("download:00000010");
    await say(new Uint8Array(16)).catch(() => {});
    await link.closed;
  }, { disconnectAtByte: 8 });
});
