/** Words of a user, `@set` among them -> requests for resolveModules(). */
import type { ModuleRequest } from "../resolve_modules.ts";
import { expandSet } from "./expand_set.ts";
import type { ModuleSet } from "./parse_set.ts";

/**
 * Requests in load order: what was named first, then stage1 of all sets, then stage2. What a set names is
 * optional by nature: no kernel has all of it. What the user typed himself is not, unless a set brings it.
 *
 * @throws {FastboopError} `usage` for an unknown set.
 */
export function selectModules(
  words: readonly string[],
  sets: ReadonlyMap<string, ModuleSet>,
): ModuleRequest[] {
  const typed = words.filter((word) => !word.startsWith("@")).map((word) => ({ word }));
  const listed = words.filter((word) => word.startsWith("@"))
    .flatMap((word) => expandSet(word.slice(1), sets));
  const inOrder = [
    ...listed.filter(({ stage }) => stage === "stage1"),
    ...listed.filter(({ stage }) => stage === "stage2"),
  ];
  return [...typed, ...inOrder.map(({ word, set }) => ({ word, set, optional: true }))];
}
