/** The verbs that start from a device tree. */
import type { Command } from "./command.ts";

export const DTB_COMMANDS: readonly Command[] = [
  {
    name: "modules for-dtb",
    summary: "Print the modules that bring up a board's USB, in load order, from its device tree",
    words: "<dtb>",
    options: [
      {
        flags: "--modules-dir <dir>",
        text: "directory of one release: /usr/lib/modules/RELEASE",
      },
      {
        flags: "--kernel <dir>",
        text: "the modules of this build tree instead; a bare --kernel is --kernel=.",
      },
      { flags: "--rootfs <image>", text: "those of this EROFS or ext4 image, URL or directory" },
      { flags: "--release <release>", text: "which, when the root file system has several" },
      {
        flags: "--image <file>",
        text: "the kernel itself, to tell built-in drivers from missing ones",
      },
      { flags: "--json", text: "print modules with their reasons, and what has no module" },
    ],
    examples: [
      "fastboop modules for-dtb sdm845-oneplus-fajita.dtb --modules-dir /usr/lib/modules/$(uname -r)",
      "fastboop modules for-dtb board.dtb --kernel=~/src/linux --json",
    ],
    run: async (words, options, context) =>
      await (await import("./run_modules_for_dtb.ts")).runModulesForDtb(words, options, context),
  },
];
