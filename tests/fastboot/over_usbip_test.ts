/** From the bootloader to its gadget over one USB/IP address: every layer of the host, a made-up phone. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { FastbootClient } from "../../lib/fastboot/client.ts";
import { isFastbootInterface } from "../../lib/fastboot/interface.ts";
import { waitDeparture } from "../../lib/fastboot/wait_departure.ts";
import { isSmooInterface } from "../../lib/smoo/interface.ts";
import { findPhone } from "../../lib/usb/find.ts";
import { UsbIpBus } from "../../lib/usb/usbip/usbip_bus.ts";
import { FakeBootloader } from "../support/fake_bootloader.ts";
import { ofKind } from "../support/expect_kind.ts";
import { bootloaderDevice, gadget } from "../support/usbip_phone.ts";
import { UsbIpServer } from "../support/usbip_server.ts";

const variables = { product: "sdm845", "max-download-size": "0x10000000" };

Deno.test("a phone is found, booted, seen to leave and found again as its gadget", async () => {
  const bootloader = new FakeBootloader({ variables });
  await using server = new UsbIpServer([bootloaderDevice(bootloader)]);
  await using bus = new UsbIpBus(server.address);
  const ids = [{ vendorId: 0x18d1, productId: 0xd00d }];
  const { link } = await findPhone(bus, { what: "a bootloader", match: isFastbootInterface, ids });

  const client = new FastbootClient(link);
  assert.equal(await client.getvar("product"), "sdm845");
  const image = Uint8Array.from({ length: 3_333_333 }, (_, i) => (i * 11) & 0xff);
  await client.download([image], image.length);
  await client.boot();
  assert.equal(Buffer.compare(bootloader.image!, image), 0);

  const leaving = waitDeparture(link, { bus });
  server.devices.splice(0, 1, gadget({ deviceNumber: 8, refusals: [2, 2] }));
  server.cut();
  assert.equal(await leaving, true);
  await link[Symbol.asyncDispose]();

  const { serial } = link.info;
  const found = await findPhone(bus, { what: "the gadget", match: isSmooInterface, serial });
  assert.equal(found.link.info.serial, "PHONE-1");
  await found.link[Symbol.asyncDispose]();
});

Deno.test("a bootloader that falls silent over USB/IP is `refused`, and the link ends", async () => {
  const bootloader = new FakeBootloader({ override: () => [] });
  await using server = new UsbIpServer([bootloaderDevice(bootloader)]);
  await using bus = new UsbIpBus(server.address);
  const { link } = await findPhone(bus, { what: "a bootloader", match: isFastbootInterface });
  const client = new FastbootClient(link, { limits: { silenceMs: 30 } });
  await assert.rejects(client.getvar("product"), ofKind("refused", /silent for 0.03 s/));
  await link.closed;
});

Deno.test("a bootloader unplugged over USB/IP in the middle of a download is `device`", async () => {
  const bootloader = new FakeBootloader({ variables });
  const device = bootloaderDevice(bootloader);
  const { transferOut } = device;
  await using server: UsbIpServer = new UsbIpServer([{
    ...device,
    transferOut: (endpoint, data) => {
      if (bootloader.pieces.length === 2) server.cut();
      return transferOut!(endpoint, data);
    },
  }]);
  await using bus = new UsbIpBus(server.address);
  const { link } = await findPhone(bus, { what: "a bootloader", match: isFastbootInterface });
  const image = new Uint8Array(5_000_000);
  await assert.rejects(
    new FastbootClient(link).download([image], image.length),
    ofKind("device", /Send the boot image \(.*of 4.8 MiB\)/),
  );
});
