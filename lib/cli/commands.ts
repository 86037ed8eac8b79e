/** The command table: help, parsing and completion come from it; verbs load when they are run. */
import { FastboopError } from "../errors/errors.ts";
import type { ModulesWords } from "./boot_words.ts";
import { collect, type Command, type CommandOption } from "./command.ts";
import { BOOTPROFILE_COMMANDS } from "./bootprofile_commands.ts";
import { CACHE_COMMANDS } from "./cache_commands.ts";
import { DTB_COMMANDS } from "./dtb_commands.ts";
import { FIRMWARE_INTO, FIRMWARE_OPTIONS } from "./firmware_options.ts";
import { IMAGE_COMMANDS } from "./image_commands.ts";
import { INSPECT_COMMANDS } from "./inspect_commands.ts";
import { KCONFIG_COMMANDS } from "./kconfig_commands.ts";
import { MODULES_COMMANDS } from "./modules_commands.ts";
import { MODULES_DEPMOD_COMMANDS } from "./modules_depmod_commands.ts";

/** Whole seconds, for `--wait`. */
function seconds(word: string): number {
  if (/^\d{1,6}$/.test(word)) return Number(word);
  throw new FastboopError({
    kind: "usage",
    action: "Read a number of seconds",
    state: `"${word}" is not a whole number below 1000000`,
  });
}

function modulesSource(word: string, previous: unknown): ModulesWords {
  const { sets, ...from } = previous as ModulesWords | undefined ?? { sets: [] };
  if (word === "native" || word === "make") return { sets, from: word };
  if (word.startsWith("@")) return { ...from, sets: [...sets, word] };
  const state = `"${word}" is neither native nor make nor a @set`;
  throw new FastboopError({ kind: "usage", action: "Read --modules", state });
}

const PHONE: CommandOption[] = [
  { flags: "--usb <address>", text: "phone on a USB/IP server: usbip://HOST[:PORT][/BUSID]" },
  { flags: "--device-serial <serial>", text: "only the phone with this serial number" },
  { flags: "--device-path <path>", text: "only the phone plugged in there, as detect shows it" },
];

const PAYLOAD: CommandOption[] = [
  {
    flags: "--kernel <dir>",
    text: "kernel, device tree and modules from this build tree; a bare --kernel is --kernel=. " +
      "(default: the root image's own kernel)",
  },
  {
    flags: "--release <release>",
    text: "of several kernels in the root image this one (default: the newest that has modules)",
  },
  { flags: "--boot-profile <id>", text: "of several boot profiles in a channel this one" },
  { flags: "--partition <partition>", text: "of a disk image: number, label or PARTUUID" },
  {
    flags: "--modules <word>",
    text:
      "native: straight from the build (default); make: by its modules_install, which also signs; " +
      "@set: those of a set for stage0 (repeatable)",
    parse: modulesSource,
  },
  {
    flags: "--device-profile <id>",
    text: "which phone it is, instead of asking it; stage0 and -o need it",
  },
  { flags: "--dtb <file>", text: "device tree blob instead of the tree's or the root image's" },
  {
    flags: "--dtbo <file>",
    text: "compiled device tree overlay to apply (repeatable)",
    parse: collect,
  },
  { flags: "--append <words>", text: "words to add to the kernel command line" },
  ...FIRMWARE_OPTIONS,
  FIRMWARE_INTO,
  {
    flags: "--extra-modules <dir>",
    text: "also the modules built in DIR with `make M=DIR` (repeatable)",
    parse: collect,
  },
  {
    flags: "--require-module <name>",
    text: "one more module for stage0, or a @set of them (repeatable)",
    parse: collect,
  },
];

export const COMMANDS: readonly Command[] = [
  {
    name: "boot",
    summary: "Boot a phone in fastboot mode and serve its disks until Ctrl-C",
    words: "<rootfs>",
    options: [
      ...PAYLOAD,
      ...PHONE,
      { flags: "--wait <seconds>", text: "give up when no phone comes", parse: seconds },
      {
        flags: "--watch",
        text:
          "with --kernel: boot the phone again with every new build of the tree, when it is back " +
          "in fastboot mode; make installs the modules",
      },
      {
        flags: "-o, --output <file>",
        text: "write the boot image and stop; needs --device-profile",
      },
    ],
    examples: [
      "fastboop boot https://example.org/rootfs.img.xz",
      "fastboop boot https://example.org/rootfs.ero --kernel",
      "fastboop boot rootfs.ero --kernel=/src/linux --usb usbip://127.0.0.1",
      "fastboop boot rootfs.ero --kernel --device-profile oneplus-fajita -o boot.img",
    ],
    run: async (words, options, context) =>
      await (await import("./run_boot.ts")).runBoot(words, options, context),
  },
  {
    name: "stage0",
    summary: "Write the initramfs that boot would send",
    words: "<rootfs>",
    options: [...PAYLOAD, {
      flags: "-o, --output <file>",
      text: "where to; - is stdout (default)",
    }],
    examples: [
      "fastboop stage0 rootfs.ero --kernel --device-profile oneplus-fajita -o stage0.cpio",
    ],
    run: async (words, options, context) =>
      await (await import("./run_stage0.ts")).runStage0(words, options, context),
  },
  {
    name: "detect",
    summary: "List the phones in fastboot mode and the profile of each",
    words: "",
    options: PHONE,
    examples: ["fastboop detect", "fastboop detect --usb usbip://127.0.0.1"],
    run: async (_words, options, context) =>
      await (await import("./run_detect.ts")).runDetect(options, context),
  },
  {
    name: "image ext4",
    summary: "Write a directory as an ext4 image, without root",
    words: "<dir>",
    options: [
      { flags: "-o, --output <file>", text: "where to; - is stdout (default)" },
      { flags: "--label <label>", text: "volume label, at most 16 bytes" },
      { flags: "--owner <who>", text: "root or source: owners of the files (default: source)" },
    ],
    examples: [
      "fastboop image ext4 rootfs/ -o rootfs.img --label rootfs",
      "fastboop image ext4 rootfs/ | ssh host 'cat > rootfs.img'",
    ],
    run: async (words, options, context) =>
      await (await import("./run_image.ts")).runImageExt4(words, options, context),
  },
  {
    name: "image cpio",
    summary: "Write a directory as a newc archive, as the kernel takes it for an initramfs",
    words: "<dir>",
    options: [{ flags: "-o, --output <file>", text: "where to; - is stdout (default)" }],
    examples: ["fastboop image cpio initramfs/ -o initramfs.cpio"],
    run: async (words, options, context) =>
      await (await import("./run_image.ts")).runImageCpio(words, options, context),
  },
  ...IMAGE_COMMANDS,
  ...BOOTPROFILE_COMMANDS,
  ...CACHE_COMMANDS,
  ...MODULES_COMMANDS,
  ...DTB_COMMANDS,
  ...MODULES_DEPMOD_COMMANDS,
  ...INSPECT_COMMANDS,
  ...KCONFIG_COMMANDS,
];
