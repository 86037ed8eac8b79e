/** The verbs that start from a device tree. */
import type { Command } from "./command.ts";
import { MODULES_PLACE } from "./modules_place.ts";

export const DTB_COMMANDS: readonly Command[] = [
  {
    name: "modules for-dtb",
    summary: "Print the modules that bring up a board's USB, in load order, from its device tree",
    words: "<dtb>",
    options: [
      ...MODULES_PLACE,
      {
        flags: "--image <file>",
        text: "the kernel itself, to tell built-in drivers from missing ones",
      },
      { flags: "--json", text: "print modules with their reasons, and what has no module" },
    ],
    examples: [
      "fastboop modules for-dtb sdm845-oneplus-fajita.dtb --modules-dir /usr/lib/modules/$(uname -r)",
      "fastboop modules for-dtb board.dtb --kernel=/src/linux --json",
    ],
    run: async (words, options, context) =>
      await (await import("./run_modules_for_dtb.ts")).runModulesForDtb(words, options, context),
  },
];
