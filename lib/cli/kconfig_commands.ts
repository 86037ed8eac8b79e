/** The `kconfig` verbs. */
import { collect, type Command } from "./command.ts";

export const KCONFIG_COMMANDS: readonly Command[] = [
  {
    name: "kconfig check",
    summary: "Tell which symbols a kernel lacks: a .config, a config-*, a kernel image or a tree",
    words: "<file-or-tree>",
    options: [
      {
        flags: "--set <name>",
        text: "stage0 (default), guest-virtio-mmio or qemu-pci (repeatable)",
        parse: collect,
      },
      { flags: "--rootfs <type>", text: "erofs (default) or ext4: what stage0 mounts" },
      { flags: "--fragment", text: "print what to merge, for scripts/kconfig/merge_config.sh" },
      { flags: "--json", text: "print what was found as JSON" },
    ],
    examples: [
      "fastboop kconfig check ~/src/linux",
      "fastboop kconfig check /boot/config-6.12.117+deb12-arm64 --rootfs ext4",
      "fastboop kconfig check . --fragment > stage0.config",
    ],
    run: async (words, options) =>
      await (await import("./run_kconfig.ts")).runKconfigCheck(words, options),
  },
];
