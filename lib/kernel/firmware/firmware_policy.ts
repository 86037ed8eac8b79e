/** Which firmware is packed: what modules name, what a list names, both or none. */
import { FastboopError } from "../../errors/errors.ts";

export type FirmwarePolicy = "auto" | "list" | "auto+list" | "none";

/** @throws {FastboopError} `usage` for another word. */
export function parseFirmwarePolicy(word: string): FirmwarePolicy {
  if (word === "auto" || word === "list" || word === "auto+list" || word === "none") return word;
  throw new FastboopError({
    kind: "usage",
    action: "Read --firmware",
    state: `"${word}" is none of auto, list, auto+list and none`,
  });
}

/**
 * Reads a list of firmware names or globs, one per line, `#` starts a comment.
 *
 * @throws {FastboopError} `usage` for a name that leaves the firmware directory.
 */
export function parseFirmwareList(text: string, what: string): string[] {
  const names: string[] = [];
  for (const [at, raw] of text.split("\n").entries()) {
    const name = raw.replace(/(^|\s)#.*$/, "").trim();
    if (name === "") continue;
    if (name.startsWith("/") || name.split("/").includes("..")) {
      throw new FastboopError({
        kind: "usage",
        action: `Read firmware list ${what}, line ${at + 1}`,
        state: `"${name.slice(0, 80)}" leaves the firmware directory`,
        hint: "Name files relative to it: rtl_nic/rtl8168h-2.fw",
      });
    }
    names.push(name);
  }
  return names;
}
