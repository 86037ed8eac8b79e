/** A host process for tests that kill it: serves the pattern disk over USB/IP. `hold`: never reads. */
import { SmooHost } from "../../lib/smoo/host.ts";
import { isSmooInterface } from "../../lib/smoo/interface.ts";
import type { Reader } from "../../lib/sources/reader.ts";
import { UsbIpBus } from "../../lib/usb/usbip/usbip_bus.ts";
import { PatternReader } from "../support/pattern_reader.ts";

const [address, mode] = Deno.args;
const pattern = new PatternReader({ seed: 0xdead, blockSizeBytes: 4096, sizeBytes: 2 ** 23 });
const reader: Reader = {
  sizeBytes: pattern.sizeBytes,
  identity: pattern.identity,
  readAt: (offsetBytes, into) => {
    if (mode !== "hold") return pattern.readAt(offsetBytes, into);
    console.log("holding");
    return new Promise(() => {});
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
};
await using bus = new UsbIpBus(address!);
const [device] = await bus.list();
const link = await device!.open(isSmooInterface);
const host = new SmooHost([{ id: 1, name: "rootfs", reader, blockSizeBytes: 4096 }]);
await host.serve(link!);
