/** The verbs that look at what was built. */
import { collect, type Command } from "./command.ts";
import { FIRMWARE_INTO, FIRMWARE_OPTIONS } from "./firmware_options.ts";

export const INSPECT_COMMANDS: readonly Command[] = [
  {
    name: "inspect",
    summary: "Tell what a file is and which build it was made of",
    words: "<file>",
    options: [
      { flags: "--json", text: "one JSON document on standard output" },
      {
        flags: "--verify-only",
        text: "hash the inputs again, with the options that boot was given, and compare; changes " +
          "nothing, exits 3 when one is stale",
      },
      { flags: "--kernel <dir>", text: "build tree to compare with (default: this directory)" },
      { flags: "--device-profile <id>", text: "compare for this device, not for the stamp's" },
      {
        flags: "--rootfs <rootfs>",
        text: "boot profile or channel it was built with; what lies behind that is not read",
      },
      { flags: "--boot-profile <id>", text: "of several boot profiles in that channel this one" },
      { flags: "--dtb <file>", text: "device tree blob instead of the tree's" },
      {
        flags: "--dtbo <file>",
        text: "compiled device tree overlay that was applied (repeatable)",
        parse: collect,
      },
      { flags: "--append <words>", text: "words that were added to the kernel command line" },
      {
        flags: "--require-module <name>",
        text: "a module or @set that was added to stage0 (repeatable)",
        parse: collect,
      },
      {
        flags: "--extra-modules <dir>",
        text: "modules of DIR that were added (repeatable)",
        parse: collect,
      },
      ...FIRMWARE_OPTIONS,
      FIRMWARE_INTO,
    ],
    examples: [
      "fastboop inspect boot.img",
      "fastboop inspect stage0.cpio --verify-only --kernel=/src/linux",
      "fastboop inspect boot.img --verify-only --kernel --rootfs https://example.org/edge.fbp",
    ],
    run: async (words, options, context) =>
      await (await import("./run_inspect.ts")).runInspect(words, options, context),
  },
];
