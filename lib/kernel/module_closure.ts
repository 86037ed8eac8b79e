/** Modules for the initramfs: all that some names need, or an error that names what is missing. */
import type { ModuleIndex } from "./module_index.ts";
import { missingModulesError } from "./missing_modules_error.ts";
import { type ResolvedModule, resolveModules } from "./resolve_modules.ts";

/** One module to load. */
export type ModuleToLoad = Pick<ResolvedModule, "name" | "path" | "optional">;

/**
 * Modules to load for `names` (module names, file names or aliases), each once, in load order. What is
 * built into the kernel needs no module and is left out. Weak dependencies come before what names them:
 * an initramfs has no modprobe that the kernel could call. Of `optionalNames` those that are not there
 * are left out too, and the boot goes on when one cannot be loaded.
 *
 * @throws {FastboopError} `tree` naming all that are neither modules nor built in, with near matches.
 */
export function moduleClosure(
  index: ModuleIndex,
  names: readonly string[],
  optionalNames: readonly string[] = [],
): ModuleToLoad[] {
  const { modules, absent } = resolveModules(index, [
    ...names.map((word) => ({ word })),
    ...optionalNames.map((word) => ({ word, optional: true })),
  ], { weak: true });
  const missing = absent.filter(({ optional }) => optional !== true).map(({ word }) => word);
  if (missing.length > 0) throw missingModulesError(index, missing);
  return modules.map(({ name, path, optional }) => ({ name, path, optional }));
}
