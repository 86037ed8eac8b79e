import type { CommandOption } from "./command.ts";

/** Options of the verbs that pack firmware; firmware_words.ts reads them. */
export const FIRMWARE_OPTIONS: readonly CommandOption[] = [
  {
    flags: "--firmware <policy>",
    text: "auto (what the modules name; default), list, auto+list or none",
  },
  { flags: "--firmware-list <file>", text: "names or globs of firmware, one per line" },
  { flags: "--firmware-dir <dir>", text: "where firmware is: /usr/lib/firmware" },
];
