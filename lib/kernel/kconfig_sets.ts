/** Named lists of symbols, for `kconfig check`. */
import type { Kconfig } from "./kconfig.ts";
import type { KconfigRequirement } from "./kconfig_requirement.ts";
import { stage0Requirements } from "./stage0_requirements.ts";

export const KCONFIG_SET_NAMES = ["stage0", "guest-virtio-mmio", "qemu-pci"] as const;
export type KconfigSetName = typeof KCONFIG_SET_NAMES[number];

/** Built in, since such a guest loads no modules. */
function builtin(
  symbol: string,
  purpose: string,
  more: { under?: readonly string[]; onlyWith?: string } = {},
): KconfigRequirement {
  return { symbol, tristate: false, purpose, ...more };
}

const VIRTIO = ["VIRTIO_MENU"];

/**
 * An arm64 guest whose devices are virtio-mmio slots and a PL011, as a small hypervisor shows them.
 * Source: Kconfig files under drivers/virtio, drivers/block, drivers/net, drivers/tty/serial.
 */
const GUEST_VIRTIO_MMIO: readonly KconfigRequirement[] = [
  builtin("BLK_DEV_INITRD", "start from the initramfs"),
  builtin("RD_GZIP", "unpack the initramfs"),
  builtin("PRINTK", "say what happens"),
  builtin("SERIAL_AMBA_PL011", "drive the serial port", { under: ["TTY", "ARM_AMBA"] }),
  builtin("SERIAL_AMBA_PL011_CONSOLE", "show the console there"),
  builtin("SMP", "start the other processors"),
  builtin("DEVTMPFS", "have device nodes"),
  builtin("DEVTMPFS_MOUNT", "have them before init starts"),
  builtin("TMPFS", "hold /run and /tmp", { under: ["SHMEM"] }),
  builtin("BLK_DEV", "have disks", { under: ["BLOCK"] }),
  builtin("VIRTIO", "talk to the hypervisor's devices", { under: VIRTIO }),
  builtin("VIRTIO_MMIO", "find them in the device tree", { under: VIRTIO }),
  builtin("VIRTIO_BLK", "read the disk", { under: [...VIRTIO, "BLOCK", "BLK_DEV"] }),
  builtin("VIRTIO_NET", "reach the network", {
    under: [...VIRTIO, "NET", "NETDEVICES", "NET_CORE"],
  }),
  builtin("VIRTIO_CONSOLE", "have a second console", { under: ["TTY"] }),
  builtin("EXT4_FS", "mount the disk", { under: ["BLOCK"] }),
];

/** QEMU's machines with their devices on PCI. */
const QEMU_PCI: readonly KconfigRequirement[] = [
  builtin("PCI", "find devices"),
  builtin("PCI_HOST_GENERIC", "drive the PCI host of the virt machine", { onlyWith: "ARM64" }),
  builtin("VIRTIO_PCI", "drive virtio devices", { under: [...VIRTIO, "PCI"] }),
];

/** The symbols of a set for a kernel of this configuration. */
export function kconfigSet(
  name: KconfigSetName,
  kconfig: Kconfig,
  options: { rootfs: "erofs" | "ext4" },
): readonly KconfigRequirement[] {
  if (name === "guest-virtio-mmio") return GUEST_VIRTIO_MMIO;
  if (name === "qemu-pci") return QEMU_PCI;
  return stage0Requirements(kconfig, {
    rootfs: options.rootfs,
    needModulesExport: kconfig.get("MODULES") === "y",
  });
}
