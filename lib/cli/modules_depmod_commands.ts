/** The verb that does what depmod(8) does. */
import type { Command } from "./command.ts";

export const MODULES_DEPMOD_COMMANDS: readonly Command[] = [
  {
    name: "modules depmod",
    summary: "Write the indexes modprobe needs into a directory of modules, without depmod",
    words: "<dir>",
    options: [
      { flags: "-o, --output <dir>", text: "write them there; nothing in <dir> is changed" },
    ],
    examples: [
      "fastboop modules depmod rootfs/usr/lib/modules/6.12.3",
      "fastboop modules depmod /usr/lib/modules/$(uname -r) -o indexes/",
    ],
    run: async (words, options, context) =>
      await (await import("./run_depmod.ts")).runModulesDepmod(words, options, context),
  },
];
