/** Where phones are looked for: `--usb usbip://...`, else this machine's ports. Adapters load on demand. */
import { FastboopError } from "../errors/errors.ts";
import type { UsbBus } from "../usb/link.ts";

/** @throws {FastboopError} `usage` for an address that is none, what the adapter throws. */
export async function openBus(address: string | undefined): Promise<UsbBus> {
  if (address === undefined) {
    const { openNodeUsb } = await import("../usb/node_usb.ts");
    return await openNodeUsb();
  }
  if (address.startsWith("usbip://")) {
    const { UsbIpBus } = await import("../usb/usbip/usbip_bus.ts");
    return new UsbIpBus(address);
  }
  throw new FastboopError({
    kind: "usage",
    action: "Read --usb",
    state: `"${address}" is not an address`,
    hint: "Write usbip://HOST[:PORT][/BUSID], or leave it out for this machine's USB",
  });
}
