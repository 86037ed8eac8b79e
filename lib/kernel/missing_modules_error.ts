import { FastboopError } from "../errors/errors.ts";
import type { ModuleIndex } from "./module_index.ts";
import { moduleName } from "./module_name.ts";
import { nearMatches } from "../bytes/near_matches.ts";

/** `tree`: what is missing, where it was searched for, and what looks like it. */
export function missingModulesError(
  index: ModuleIndex,
  missing: readonly string[],
): FastboopError {
  const known = [...index.modules.keys(), ...index.builtin];
  const lines = missing.map((name) => {
    const near = nearMatches(moduleName(name), known);
    return near.length > 0 ? `"${name}" (near: ${near.join(", ")})` : `"${name}"`;
  });
  return new FastboopError({
    kind: "tree",
    action: "Collect the modules to load",
    state: `no module or built-in is called ${lines.join(", ")}; searched names and aliases of ` +
      `${index.modules.size} modules and ${index.builtin.size} built-ins of ${index.directory}`,
    hint: "Set the option that builds it to m or y in .config and build again, or correct the name",
  });
}
