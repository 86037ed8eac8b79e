import { FastboopError } from "../errors/errors.ts";
import type { CommandOption } from "./command.ts";

/** Options of the verbs that pack firmware; firmware_words.ts reads them. */
export const FIRMWARE_OPTIONS: readonly CommandOption[] = [
  {
    flags: "--firmware <policy>",
    text: "auto (what the modules name; default), list, auto+list or none",
  },
  { flags: "--firmware-list <file>", text: "names or globs of firmware, one per line" },
  {
    flags: "--firmware-dir <dir>",
    text: "where firmware is, like /usr/lib/firmware; without it a phone gets none",
  },
];

/** For the verbs that make something for a phone. */
export const FIRMWARE_INTO: CommandOption = {
  flags: "--firmware-into <where>",
  text: "stage0: for the modules it loads (default); modules: for all modules, in their image",
  parse: firmwareInto,
};

function firmwareInto(word: string): "stage0" | "modules" {
  if (word === "stage0" || word === "modules") return word;
  const state = `"${word}" is neither stage0 nor modules`;
  throw new FastboopError({ kind: "usage", action: "Read --firmware-into", state });
}
