/**
 * Which modules must be loaded, and in which order, so that some named ones work.
 *
 * The order is modprobe's: hard dependencies first, and around each module its soft dependencies, which
 * are aliases and may be missing. Whatever is there only because of a soft dependency may fail to load
 * (a checksum driver for an instruction this CPU lacks), so it is marked optional.
 * Source: modprobe(8), modprobe.d(5), depmod(8).
 */
import { FastboopError } from "../errors/errors.ts";
import { aliasMatches } from "./alias_matches.ts";
import type { ModuleIndex } from "./module_index.ts";
import { foldAlias, moduleName } from "./module_name.ts";
import { nearMatches } from "./near_matches.ts";

/** One module to load. */
export interface ModuleToLoad {
  /** Folded name. */
  readonly name: string;
  /** Relative to the index's directory. */
  readonly path: string;
  /** The boot goes on when it cannot be loaded. */
  readonly optional: boolean;
}

/** A few hundred are much for an initramfs; a hostile index could make it thousands. */
const MAX_CLOSURE = 4096;
/** Real chains are 3 or 4 long. */
const MAX_SOFT_DEPTH = 256;

/**
 * Modules to load for `names` (module names, file names or aliases), each once, in load order. What is
 * built into the kernel needs no module and is left out.
 *
 * @throws {FastboopError} `tree` naming all that are neither modules nor built in, with near matches.
 */
export function moduleClosure(index: ModuleIndex, names: readonly string[]): ModuleToLoad[] {
  const walk = new Walk(index);
  const roots: string[] = [];
  const missing: string[] = [];
  for (const name of names) {
    const found = walk.resolve(name);
    if (found) roots.push(...found);
    else if (!missing.includes(name)) missing.push(name);
  }
  if (missing.length > 0) throw missingError(index, missing);
  for (const name of roots) walk.require(name);
  for (const name of roots) walk.probe(name);
  return walk.order.map((name) => ({
    name,
    path: index.modules.get(name)!.path,
    optional: !walk.required.has(name),
  }));
}

class Walk {
  readonly order: string[] = [];
  readonly required = new Set<string>();
  readonly #placed = new Set<string>();
  readonly #visited = new Set<string>();
  readonly #resolved = new Map<string, string[] | undefined>();
  #depth = 0;
  readonly #folded: { pattern: string; module: string }[];

  constructor(readonly index: ModuleIndex) {
    this.#folded = index.aliases.map(({ pattern, module }) => ({
      pattern: foldAlias(pattern),
      module,
    }));
  }

  /** Modules behind a name or alias; none when it is built in; undefined when nothing knows it. */
  resolve(wanted: string): string[] | undefined {
    if (!this.#resolved.has(wanted)) this.#resolved.set(wanted, this.#lookUp(wanted));
    return this.#resolved.get(wanted);
  }

  #lookUp(wanted: string): string[] | undefined {
    const name = moduleName(wanted);
    if (this.index.modules.has(name)) return [name];
    if (this.index.builtin.has(name)) return [];
    const alias = foldAlias(wanted);
    const matches = this.#folded
      .filter(({ pattern, module }) =>
        this.index.modules.has(module) && aliasMatches(pattern, alias)
      )
      .map(({ module }) => module);
    if (matches.length > 0) return [...new Set(matches)];
    return this.index.builtinAliases.some((pattern) => aliasMatches(pattern, alias))
      ? []
      : undefined;
  }

  require(name: string): void {
    this.required.add(name);
    for (const needed of this.index.modules.get(name)!.dependencies) this.required.add(needed);
  }

  /** Places a module after its hard dependencies. Each is probed once, which ends soft cycles. */
  probe(name: string): void {
    if (this.#visited.has(name)) return;
    this.#visited.add(name);
    if (++this.#depth > MAX_SOFT_DEPTH) this.#tooMany("soft dependencies are nested too deep");
    for (const needed of this.index.modules.get(name)!.dependencies) this.#placeWithSoft(needed);
    this.#placeWithSoft(name);
    this.#depth--;
  }

  #placeWithSoft(name: string): void {
    const soft = this.index.softdeps.get(name);
    for (const alias of soft?.pre ?? []) this.#probeSoft(alias);
    if (!this.#placed.has(name)) {
      this.#placed.add(name);
      this.order.push(name);
    }
    for (const alias of soft?.post ?? []) this.#probeSoft(alias);
    if (this.order.length > MAX_CLOSURE) this.#tooMany(`they need over ${MAX_CLOSURE} modules`);
  }

  #tooMany(state: string): never {
    throw new FastboopError({
      kind: "limit",
      action: "Collect the modules for the initramfs",
      state,
    });
  }

  #probeSoft(alias: string): void {
    for (const name of this.resolve(alias) ?? []) this.probe(name);
  }
}

function missingError(index: ModuleIndex, missing: readonly string[]): FastboopError {
  const known = [...index.modules.keys(), ...index.builtin];
  const lines = missing.map((name) => {
    const near = nearMatches(moduleName(name), known);
    return near.length > 0 ? `"${name}" (near: ${near.join(", ")})` : `"${name}"`;
  });
  return new FastboopError({
    kind: "tree",
    action: "Collect the modules for the initramfs",
    state: `no module or built-in is called ${lines.join(", ")}; searched ` +
      `${index.modules.size} modules and ${index.builtin.size} built-ins of ${index.directory}`,
    hint: "Set the option that builds it to m or y in .config and build again, or correct the name",
  });
}
