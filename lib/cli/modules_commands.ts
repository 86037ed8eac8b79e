/** The verbs that choose, explain, pack and check kernel modules. */
import { collect, type Command, type CommandOption } from "./command.ts";
import { FIRMWARE_OPTIONS } from "./firmware_options.ts";
import { MODULES_PLACE } from "./modules_place.ts";

const SETS: CommandOption[] = [
  { flags: "--set-file <file>", text: "one more @set, named after the file", parse: collect },
  {
    flags: "--zero-os-list <file>",
    text: "a list of stage:name lines as one more @set, named after the file",
    parse: collect,
  },
];

const JSON_OPTION: CommandOption = { flags: "--json", text: "print JSON" };

export const MODULES_COMMANDS: readonly Command[] = [
  {
    name: "modules resolve",
    summary: "Print the files to load for some modules, aliases or @sets, in load order",
    words: "<names...>",
    options: [...MODULES_PLACE, ...SETS, { flags: "--json", text: "print JSON, with the reasons" }],
    examples: [
      "fastboop modules resolve r8169 erofs --modules-dir /usr/lib/modules/$(uname -r)",
      "fastboop modules resolve @usb-phone --kernel=/src/linux --json",
    ],
    run: async (words, options, context) =>
      await (await import("./run_modules_resolve.ts")).runModulesResolve(
        words,
        options,
        context,
      ),
  },
  {
    name: "modules why",
    summary: "Print why a module is loaded for others, or what a module brings and why",
    words: "<name>",
    options: [
      { flags: "--from <name>", text: "what is loaded: names, @sets (repeatable)", parse: collect },
      ...MODULES_PLACE,
      ...SETS,
      JSON_OPTION,
    ],
    examples: [
      "fastboop modules why crc32c_generic --from erofs --kernel",
      "fastboop modules why r8169 --modules-dir /usr/lib/modules/$(uname -r)",
    ],
    run: async (words, options, context) =>
      await (await import("./run_modules_why.ts")).runModulesWhy(words, options, context),
  },
  {
    name: "modules pack",
    summary: "Write modules with all they need, firmware and fresh indexes",
    words: "<names...>",
    options: [
      { flags: "-o, --output <path>", text: "FILE.cpio, FILE.img or DIR/; - is stdout" },
      { flags: "--format <kind>", text: "cpio, ext4 or dir, whatever the output is called" },
      { flags: "--prefix <dir>", text: "usr/lib (default) or lib" },
      ...FIRMWARE_OPTIONS,
      ...MODULES_PLACE,
      ...SETS,
    ],
    examples: [
      "fastboop modules pack @nic -o nic.cpio --modules-dir /usr/lib/modules/$(uname -r) " +
      "--firmware-dir /usr/lib/firmware",
      "fastboop modules pack r8169 -o modules/ --rootfs rootfs.ero",
    ],
    run: async (words, options, context) =>
      await (await import("./run_modules_pack.ts")).runModulesPack(words, options, context),
  },
  {
    name: "modules verify",
    summary: "Check a directory of modules against its indexes; exit code 4 when they differ",
    words: "[dir]",
    options: [
      { flags: "--expect-release <release>", text: "default: the directory's name" },
      ...MODULES_PLACE,
      JSON_OPTION,
    ],
    examples: ["fastboop modules verify rootfs/usr/lib/modules/6.12.3"],
    run: async (words, options, context) =>
      await (await import("./run_modules_verify.ts")).runModulesVerify(words, options, context),
  },
];
