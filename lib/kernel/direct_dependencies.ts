import type { ModuleIndex } from "./module_index.ts";

/**
 * The hard dependencies of a module that none of its other dependencies brings: modules.dep tells the
 * whole closure only, so one that is needed directly as well as through another counts as the other's.
 */
export function directDependencies(index: ModuleIndex, name: string): string[] {
  const all = index.modules.get(name)?.dependencies ?? [];
  const indirect = new Set(all.flatMap((needed) => [
    ...index.modules.get(needed)?.dependencies ?? [],
  ]));
  return all.filter((needed) => !indirect.has(needed));
}
