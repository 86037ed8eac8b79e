/** The settings stage0 is given, and with them the part of a build stamp they are. */
import type { Stage0Settings } from "../stage0/settings.ts";

export interface StampedSettings {
  rootfs: "erofs" | "ext4";
  /** Absent for a kernel without modules. */
  modulesRelease?: string;
}

/** All settings but the identity of the phone, which is added when it is known. */
export function stampedSettings({ rootfs, modulesRelease }: StampedSettings): Stage0Settings {
  return {
    rootfs,
    ...(modulesRelease === undefined ? {} : { modulesRelease }),
    mimicFastboot: true,
  };
}
