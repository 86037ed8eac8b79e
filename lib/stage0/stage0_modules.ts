/** Names of the modules stage0 must find in its initramfs, before dependencies are added. */
export interface Stage0ModuleNeeds {
  rootfs: "erofs" | "ext4";
  /** Export 1, an ext4 image, is mounted too. */
  modulesExport: boolean;
  /** `kernel_modules` of the boot profile and the device profile. */
  profileModules?: readonly string[];
  /** `--require-module`. */
  requiredModules?: readonly string[];
}

/** Gadget, disks, overlay. */
const BASE = ["configfs", "libcomposite", "usb_f_fs", "ublk_drv", "overlay"];

/** The list in load order, each name once: the base, the file systems, the profile's, the user's. */
export function stage0Modules(needs: Stage0ModuleNeeds): string[] {
  return [
    ...new Set([
      ...BASE,
      needs.rootfs,
      ...(needs.modulesExport ? ["ext4"] : []),
      ...(needs.profileModules ?? []),
      ...(needs.requiredModules ?? []),
    ]),
  ];
}
