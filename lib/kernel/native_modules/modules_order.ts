/**
 * modules.order of a build, checked: the modules that are to be installed, and the list as it is.
 *
 * For modules outside of the tree the lines begin with their directory, up to 6.12. Source:
 * scripts/Makefile.modinst.
 */
import { FastboopError } from "../../errors/errors.ts";
import { printable } from "../../bytes/printable.ts";
import { moduleStems } from "../module_stems.ts";

export interface ModulesOrder {
  /** Paths of the modules below the build's directory without their suffix, each once. */
  readonly stems: readonly string[];
  /** The list as it is installed, relative to the release's directory. */
  readonly installed: string;
}

/** A distribution kernel has about 6 000 modules. */
const MAX_MODULES = 65_536;
const MAX_PATH_CHARACTERS = 1024;

/**
 * Reads modules.order.
 *
 * @param outsideDirs the directory of modules outside of the tree, under all its names.
 * @throws {FastboopError} `corrupt` when a line is no path of a module below the build; `limit`.
 */
export function parseModulesOrder(
  text: string,
  what: string,
  outsideDirs: readonly string[] = [],
): ModulesOrder {
  const fail = (state: string, kind: "corrupt" | "limit" = "corrupt"): never => {
    const hint = "Build the modules again: `make modules`";
    throw new FastboopError({ kind, action: `Read "${what}"`, state, hint });
  };
  const found = moduleStems(text);
  if (found.length > MAX_MODULES) fail(`it names more than ${MAX_MODULES} modules`, "limit");
  const stems = new Set<string>();
  for (const path of found) {
    const outside = outsideDirs.find((dir) => path.startsWith(`${dir}/`));
    const stem = outside === undefined ? path : path.slice(outside.length + 1);
    if (stem.length > MAX_PATH_CHARACTERS || !isInside(stem)) {
      fail(`this line is no module: "${printable(path.slice(0, 80))}"`);
    }
    stems.add(stem);
  }
  const installed = [...stems].map((stem) => `kernel/${stem}.ko\n`).join("");
  return { stems: [...stems], installed };
}

function isInside(path: string): boolean {
  return !path.includes("\0") &&
    path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}
