/** Phones for UsbIpServer: a scripted gadget, and a bootloader that speaks fastboot. */
import type { UsbLink } from "../../lib/usb/link.ts";
import { UsbIpBus } from "../../lib/usb/usbip/usbip_bus.ts";
import type { FakeBootloader } from "./fake_bootloader.ts";
import { buildDescriptors, fastbootShape, smooShape } from "./usb_descriptors.ts";
import type { ScriptedDevice, UsbIpServer } from "./usbip_server.ts";

/** A gadget with serial number PHONE-1 at bus id 1-1. */
export function gadget(parts: Partial<ScriptedDevice> = {}): ScriptedDevice {
  return {
    busId: "1-1",
    busNumber: 1,
    deviceNumber: 7,
    speed: 3,
    descriptors: buildDescriptors(smooShape("PHONE-1")),
    ...parts,
  };
}

/** A bootloader with serial number PHONE-1 at bus id 1-1. */
export function bootloaderDevice(bootloader: FakeBootloader): ScriptedDevice {
  return gadget({
    descriptors: buildDescriptors(fastbootShape("PHONE-1")),
    transferOut: (_endpoint, data) => {
      bootloader.receive(data);
      return 0;
    },
    transferIn: () => bootloader.next() ?? new Promise(() => {}),
  });
}

/** Opens the server's first device; closing the bus closes the link. */
export async function openFirst(server: UsbIpServer): Promise<UsbLink> {
  const [device] = await new UsbIpBus(server.address).list();
  const link = await device?.open((candidate) => candidate.classCode === 0xff);
  if (link === undefined) throw new Error("the scripted device did not open");
  return link;
}
