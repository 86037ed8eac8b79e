/** What the kernel must be configured with, so that stage0 can bring up the disks and the root. */
import type { Kconfig } from "./kconfig.ts";
import type { KconfigRequirement } from "./kconfig_requirement.ts";

/** How the boot will look, which decides what is needed. */
export interface Stage0Needs {
  /** File system of export 0. */
  rootfs: "erofs" | "ext4";
  /** Export 1 holds the modules, as ext4. */
  needModulesExport: boolean;
}

const GADGET = ["USB_SUPPORT", "USB_GADGET"];
const ALWAYS: readonly KconfigRequirement[] = [
  { symbol: "BLK_DEV_INITRD", tristate: false, purpose: "start stage0 from the initramfs" },
  { symbol: "PROC_FS", tristate: false, purpose: "mount /proc" },
  { symbol: "SYSFS", tristate: false, purpose: "find the USB controller" },
  { symbol: "DEVTMPFS", tristate: false, purpose: "find the disks in /dev" },
  {
    symbol: "TMPFS",
    tristate: false,
    purpose: "hold the writable layer of the root",
    under: ["SHMEM"],
  },
  { symbol: "TMPFS_XATTR", tristate: false, purpose: "keep overlay attributes in that layer" },
  { symbol: "CONFIGFS_FS", tristate: true, purpose: "describe the USB gadget" },
  { symbol: "USB_GADGET", tristate: true, purpose: "be a USB device", under: ["USB_SUPPORT"] },
  {
    symbol: "USB_CONFIGFS",
    tristate: true,
    purpose: "build the gadget from user space",
    under: GADGET,
  },
  {
    symbol: "USB_CONFIGFS_F_FS",
    tristate: false,
    purpose: "serve the gadget's endpoints",
    under: GADGET,
  },
  { symbol: "AIO", tristate: false, purpose: "queue transfers on the gadget's endpoints" },
  { symbol: "IO_URING", tristate: false, purpose: "answer the disks' requests" },
  {
    symbol: "BLK_DEV_UBLK",
    tristate: true,
    purpose: "make disks of the exports",
    under: ["BLOCK", "BLK_DEV"],
  },
  { symbol: "OVERLAY_FS", tristate: true, purpose: "make the root writable" },
];

const EROFS: KconfigRequirement = {
  symbol: "EROFS_FS",
  tristate: true,
  purpose: "mount the root file system",
  under: ["BLOCK", "MISC_FILESYSTEMS"],
};

/**
 * The symbols for a kernel of this configuration, in the order stage0 uses them.
 *
 * Source: Kconfig files of the kernel (fs/, drivers/usb/gadget/, drivers/block/, init/).
 */
export function stage0Requirements(kconfig: Kconfig, needs: Stage0Needs): KconfigRequirement[] {
  const requirements = [...ALWAYS];
  if (needs.rootfs === "erofs") requirements.push(EROFS);
  if (needs.rootfs === "ext4" || needs.needModulesExport) {
    const purpose = needs.rootfs === "ext4" ? EROFS.purpose : "mount the modules image";
    requirements.push({ symbol: "EXT4_FS", tristate: true, purpose, under: ["BLOCK"] });
  }
  const modular = [...kconfig.values()].includes("m");
  if (modular) {
    requirements.unshift({ symbol: "MODULES", tristate: false, purpose: "load kernel modules" });
  }
  return requirements;
}
