/**
 * The name under which the kernel knows a module: the base name of its file without `.ko` and its
 * compression, with every `-` as `_` (kernel and kmod treat the two alike).
 *
 * Brackets of an alias pattern keep their `-`, which means a range there.
 */
export function moduleName(pathOrName: string): string {
  const base = pathOrName.slice(pathOrName.lastIndexOf("/") + 1).replace(MODULE_SUFFIX, "");
  return foldAlias(base);
}

/** `.ko` and what kbuild may append to it. */
export const MODULE_SUFFIX = /\.ko(\.gz|\.xz|\.zst)?$/;

/** An alias or alias pattern in the form in which two of them may be compared. */
export function foldAlias(alias: string): string {
  if (!alias.includes("-")) return alias;
  if (!alias.includes("[")) return alias.replaceAll("-", "_");
  let folded = "";
  let inBrackets = false;
  for (const c of alias) {
    if (c === "[") inBrackets = true;
    else if (c === "]") inBrackets = false;
    folded += c === "-" && !inBrackets ? "_" : c;
  }
  return folded;
}
