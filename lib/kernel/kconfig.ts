/**
 * The `.config` of a kernel tree.
 *
 * Shape (Documentation/kbuild/kconfig.rst): `CONFIG_NAME=value` with value `y`, `m`, a number or a quoted
 * string; `# CONFIG_NAME is not set` stands for `n`.
 */
import { FastboopError } from "../errors/errors.ts";

/** Symbol without its `CONFIG_` prefix -> `y`, `m`, a number, or a string without its quotes. */
export type Kconfig = ReadonlyMap<string, string>;

/** An allyesconfig has about 20 000 symbols. */
const MAX_SYMBOLS = 200_000;

/**
 * Reads a `.config`; symbols that are not set are left out, a later line wins.
 *
 * @throws {FastboopError} `corrupt` when a line is neither a symbol nor a comment.
 */
export function parseKconfig(text: string): Kconfig {
  const symbols = new Map<string, string>();
  let number = 0;
  for (const line of text.split("\n")) {
    number++;
    const unset = /^# CONFIG_([A-Za-z0-9_]+) is not set$/.exec(line);
    if (unset) symbols.delete(unset[1]!);
    if (line.startsWith("#") || line.trim() === "") continue;
    const set = /^CONFIG_([A-Za-z0-9_]+)=(.*?)\r?$/.exec(line);
    if (!set || symbols.size >= MAX_SYMBOLS) {
      throw new FastboopError({
        kind: "corrupt",
        action: "Read .config",
        state: set
          ? `it holds more than ${MAX_SYMBOLS} symbols`
          : `line ${number} is no symbol: "${line.slice(0, 80)}"`,
        hint: "Run `make olddefconfig` in the tree",
      });
    }
    const value = set[2]!;
    if (value === "n") symbols.delete(set[1]!);
    else symbols.set(set[1]!, unquote(value));
  }
  return symbols;
}

function unquote(value: string): string {
  if (!value.startsWith('"') || !value.endsWith('"') || value.length < 2) return value;
  return value.slice(1, -1).replace(/\\(.)/g, "$1");
}
