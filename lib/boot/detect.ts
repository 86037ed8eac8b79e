/** `detect`: every phone in fastboot mode, and the profiles its bootloader's answers fit. */
import { FastboopError } from "../errors/errors.ts";
import { FastbootClient } from "../fastboot/client.ts";
import { isFastbootInterface } from "../fastboot/interface.ts";
import type { DeviceProfile } from "../profiles/device_profile.ts";
import { matchProfiles } from "../profiles/match.ts";
import { Prober } from "../profiles/probe.ts";
import type { UsbBus, UsbDevice } from "../usb/link.ts";
import type { PhoneRequest } from "./request.ts";

export interface DetectedPhone {
  readonly vendorId: number;
  readonly productId: number;
  readonly path: string;
  readonly serial?: string | undefined;
  /** Profiles that fit; several when the bootloader cannot tell its models apart. */
  readonly profiles: readonly DeviceProfile[];
  /** Why it could not be asked. */
  readonly trouble?: FastboopError | undefined;
}

/** One round over the bus. A device that cannot be opened is told with its reason, if it may be a phone. */
export async function detectPhones(
  bus: UsbBus,
  profiles: readonly DeviceProfile[],
  request: PhoneRequest,
  signal: AbortSignal,
): Promise<DetectedPhone[]> {
  const phones: DetectedPhone[] = [];
  for (const device of await bus.list({ signal })) {
    if (!isAt(device.info.path, request.path)) continue;
    const phone = await look(device, profiles, signal);
    if (phone === undefined) continue;
    if (request.serial !== undefined && phone.serial !== request.serial) continue;
    phones.push(phone);
  }
  return phones;
}

/** `1-1` also means `usbip://host:port/1-1`. */
function isAt(path: string, wanted: string | undefined): boolean {
  return wanted === undefined || path === wanted || path.endsWith(`/${wanted}`);
}

async function look(
  device: UsbDevice,
  profiles: readonly DeviceProfile[],
  signal: AbortSignal,
): Promise<DetectedPhone | undefined> {
  if (device.interfaces !== undefined && !device.interfaces.some(isFastbootInterface)) {
    return undefined;
  }
  const candidates = matchProfiles(profiles, device.info);
  try {
    await using link = await device.open(isFastbootInterface, { signal });
    if (link === undefined) return undefined;
    const client = new FastbootClient(link, { signal });
    const prober = new Prober((name) => client.getvar(name));
    const fitting: DeviceProfile[] = [];
    for (const profile of candidates) if (await prober.fits(profile)) fitting.push(profile);
    return { ...link.info, profiles: fitting };
  } catch (error) {
    if (!(error instanceof FastboopError) || error.kind === "cancelled") throw error;
    // A keyboard that is in use by the system is no news; a device with a phone's ids is.
    if (candidates.length === 0 && device.interfaces === undefined) return undefined;
    return { ...device.info, profiles: [], trouble: error };
  }
}
