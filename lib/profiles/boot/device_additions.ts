import type { BootProfile, BootProfileDevice } from "../boot_profile.ts";

/** What a boot profile adds to the boot of one device: its own part first, then the device's. */
export function deviceAdditions(
  { dtOverlays, extraCmdline, stage0 }: BootProfile,
  deviceId: string,
): BootProfileDevice {
  const device = stage0.devices.get(deviceId);
  const words = [extraCmdline, device?.extraCmdline].filter((text) => text !== undefined);
  return {
    dtOverlays: [...dtOverlays, ...device?.dtOverlays ?? []],
    ...(words.length === 0 ? {} : { extraCmdline: words.join(" ") }),
    kernelModules: [...stage0.kernelModules, ...device?.kernelModules ?? []],
    ...(device?.injectMac === undefined ? {} : { injectMac: device.injectMac }),
  };
}
