/** Who a phone is, from what its bootloader shows: the gadget shows the same. */
import type { UsbInfo } from "../usb/link.ts";
import type { Identity } from "./assemble.ts";

/** Whether stage0 can show this serial number. */
export function isUsableSerial(serial: string | undefined): serial is string {
  return serial !== undefined && /^[!-~](?:[ -~]{0,124}[!-~])?$/.test(serial);
}

/** A bootloader without a usable serial number gets one for this boot: the gadget is known by it. */
export function identityOf({ vendorId, productId, serial }: UsbInfo): Identity {
  return {
    vendorId,
    productId,
    serial: isUsableSerial(serial) ? serial : `fastboop-${crypto.randomUUID().slice(0, 8)}`,
  };
}
