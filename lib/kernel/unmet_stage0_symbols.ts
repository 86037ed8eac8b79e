/** What the kernel must be configured with, so that stage0 can bring up the disks and the root. */
import { FastboopError } from "../errors/errors.ts";
import type { Kconfig } from "./kconfig.ts";

/** How the boot will look, which decides what is needed. */
export interface Stage0Needs {
  /** File system of export 0. */
  rootfs: "erofs" | "ext4";
  /** Export 1 holds the modules, as ext4. */
  needModulesExport: boolean;
}

/** One symbol the configuration lacks. */
export interface UnmetSymbol {
  /** Without `CONFIG_`. */
  symbol: string;
  /** The line to add to `.config`. */
  line: string;
  /** What stage0 does with it. */
  purpose: string;
}

interface Requirement {
  symbol: string;
  /** May be a module. */
  tristate: boolean;
  purpose: string;
}

const ALWAYS: readonly Requirement[] = [
  { symbol: "BLK_DEV_INITRD", tristate: false, purpose: "start stage0 from the initramfs" },
  { symbol: "PROC_FS", tristate: false, purpose: "mount /proc" },
  { symbol: "SYSFS", tristate: false, purpose: "find the USB controller" },
  { symbol: "DEVTMPFS", tristate: false, purpose: "find the disks in /dev" },
  { symbol: "TMPFS", tristate: false, purpose: "hold the writable layer of the root" },
  { symbol: "TMPFS_XATTR", tristate: false, purpose: "keep overlay attributes in that layer" },
  { symbol: "CONFIGFS_FS", tristate: true, purpose: "describe the USB gadget" },
  { symbol: "USB_GADGET", tristate: true, purpose: "be a USB device" },
  { symbol: "USB_CONFIGFS", tristate: true, purpose: "build the gadget from user space" },
  { symbol: "USB_CONFIGFS_F_FS", tristate: false, purpose: "serve the gadget's endpoints" },
  { symbol: "AIO", tristate: false, purpose: "queue transfers on the gadget's endpoints" },
  { symbol: "IO_URING", tristate: false, purpose: "answer the disks' requests" },
  { symbol: "BLK_DEV_UBLK", tristate: true, purpose: "make disks of the exports" },
  { symbol: "OVERLAY_FS", tristate: true, purpose: "make the root writable" },
];

const EROFS: Requirement = {
  symbol: "EROFS_FS",
  tristate: true,
  purpose: "mount the root file system",
};

/**
 * Symbols stage0 needs that `kconfig` does not have, in the order stage0 uses them.
 *
 * Source: Kconfig files of the kernel (fs/, drivers/usb/gadget/, drivers/block/, init/).
 */
export function unmetStage0Symbols(kconfig: Kconfig, needs: Stage0Needs): UnmetSymbol[] {
  const requirements = [...ALWAYS];
  if (needs.rootfs === "erofs") requirements.push(EROFS);
  if (needs.rootfs === "ext4" || needs.needModulesExport) {
    const purpose = needs.rootfs === "ext4" ? EROFS.purpose : "mount the modules image";
    requirements.push({ symbol: "EXT4_FS", tristate: true, purpose });
  }
  const modular = [...kconfig.values()].includes("m");
  if (modular) {
    requirements.unshift({ symbol: "MODULES", tristate: false, purpose: "load kernel modules" });
  }
  const canLoad = kconfig.get("MODULES") === "y";
  return requirements
    .filter(({ symbol, tristate }) => {
      const value = kconfig.get(symbol);
      return value !== "y" && !(tristate && value === "m");
    })
    .map(({ symbol, tristate, purpose }) => ({
      symbol,
      purpose,
      line: `CONFIG_${symbol}=${tristate && canLoad ? "m" : "y"}`,
    }));
}

/** The one error that names every unmet symbol with the line to add; kind `tree`. */
export function unmetSymbolsError(unmet: readonly UnmetSymbol[], outDir: string): FastboopError {
  const count = unmet.length === 1 ? "1 symbol" : `${unmet.length} symbols`;
  return new FastboopError({
    kind: "tree",
    action: `Check the configuration of kernel tree "${outDir}"`,
    state: [
      `stage0 needs ${count} more`,
      ...unmet.map(({ line, purpose }) => `  ${line}  (to ${purpose})`),
    ].join("\n"),
    hint: `Add these lines to ${outDir}/.config, run \`make olddefconfig\`, and build again`,
  });
}
