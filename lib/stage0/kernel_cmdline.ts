/** The kernel's command line: the profile's words, then ours, then the user's, so the later win. */
import { FastboopError } from "../errors/errors.ts";

export interface CmdlineParts {
  /** `cmdline_append` of the device profile. */
  profile?: string;
  /** Words of our own. */
  generated?: readonly string[];
  /** `--append`. */
  append?: string;
}

/** Boot image headers 0 to 2 have 512 + 1024 bytes, the last a NUL (AOSP mkbootimg, bootimg.h). */
const MAX_CMDLINE_BYTES = 1535;

/**
 * The parts in order, joined by single blanks; blanks inside of quotes stay as they are.
 *
 * @throws {FastboopError} `usage` when a character is not printable ASCII, `limit` above what the
 * header holds.
 */
export function kernelCmdline(parts: CmdlineParts): string {
  const line = [parts.profile ?? "", ...(parts.generated ?? []), parts.append ?? ""]
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .join(" ");
  const bad = /[^ -~]/.exec(line);
  const action = "Assemble the kernel command line";
  if (bad) {
    const code = bad[0].codePointAt(0)!.toString(16).padStart(2, "0");
    throw new FastboopError({
      kind: "usage",
      action,
      state: `character ${bad.index + 1} is U+${code.padStart(4, "0").toUpperCase()}`,
      hint: "Use printable ASCII only",
    });
  }
  if (line.length <= MAX_CMDLINE_BYTES) return line;
  throw new FastboopError({
    kind: "limit",
    action,
    state: `it has ${line.length} bytes, the boot image holds ${MAX_CMDLINE_BYTES}`,
    hint: "Shorten --append, or cmdline_append of the device profile",
  });
}
