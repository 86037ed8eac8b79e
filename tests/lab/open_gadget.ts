import { isSmooInterface } from "../../lib/smoo/interface.ts";
import { findPhone } from "../../lib/usb/find.ts";
import type { UsbBus, UsbLink } from "../../lib/usb/link.ts";

/** The booted phone's gadget, for a test that is the host itself. */
export async function openGadget(bus: UsbBus): Promise<UsbLink> {
  const query = { what: "the booted phone", match: isSmooInterface, serial: "LAB0001" };
  return (await findPhone(bus, query, { timeoutMs: 30_000 })).link;
}
