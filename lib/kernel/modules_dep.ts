/**
 * modules.dep as depmod(8) writes it: `path: dependency dependency`, one line per module, paths relative
 * to the release's directory. A line holds the whole closure, and the last of it is to be loaded first.
 */
import { FastboopError } from "../errors/errors.ts";

/** Path -> paths of its dependencies, in load order (the reverse of the line). */
export type ModulesDep = ReadonlyMap<string, readonly string[]>;

/** A distribution kernel has about 6 000 modules. */
const MAX_MODULES = 65_536;

/**
 * Reads modules.dep.
 *
 * @throws {FastboopError} `corrupt` when a line has no colon or a path leaves the directory.
 */
export function parseModulesDep(text: string): ModulesDep {
  const modules = new Map<string, readonly string[]>();
  for (const line of text.split("\n")) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    const path = line.slice(0, Math.max(colon, 0)).trim();
    const dependencies = line.slice(colon + 1).split(/\s+/).filter((word) => word !== "").reverse();
    if (colon < 0 || ![path, ...dependencies].every(isInside) || modules.size >= MAX_MODULES) {
      throw new FastboopError({
        kind: "corrupt",
        action: "Read modules.dep",
        state: modules.size >= MAX_MODULES
          ? `it names more than ${MAX_MODULES} modules`
          : `this line is none of it: "${line.slice(0, 80)}"`,
        hint: "Run depmod, or `make modules_install` again",
      });
    }
    modules.set(path, dependencies);
  }
  return modules;
}

function isInside(path: string): boolean {
  return path !== "" && !path.startsWith("/") && !path.split("/").includes("..");
}
