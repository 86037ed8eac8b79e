import type { UsbInterface } from "../usb/link.ts";

/**
 * True for a bootloader's fastboot interface: class ff, subclass 42, protocol 03 (AOSP system/core,
 * fastboot/README.md) with bulk pipes both ways. One with interrupt endpoints is a gadget that wears
 * fastboot's class, so that the same udev rules apply, and is no bootloader.
 */
export function isFastbootInterface(candidate: UsbInterface): boolean {
  const { classCode, subclassCode, protocolCode, endpoints } = candidate;
  if (classCode !== 0xff || subclassCode !== 0x42 || protocolCode !== 0x03) return false;
  const bulk = (direction: "in" | "out") =>
    endpoints.some((e) => e.type === "bulk" && e.direction === direction);
  return bulk("in") && bulk("out") && !endpoints.some((e) => e.type === "interrupt");
}
