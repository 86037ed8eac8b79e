/**
 * Which modules must be loaded, in which order and why, so that some wanted ones work.
 *
 * The order is modprobe's: hard dependencies first, and around each module its soft dependencies, which
 * are aliases and may be missing. Whatever is there only because of a soft dependency may fail to load
 * (a checksum driver for an instruction this CPU lacks), so it is marked optional.
 * Source: modprobe(8), modprobe.d(5), depmod(8).
 */
import { FastboopError } from "../errors/errors.ts";
import { aliasMatches } from "./alias_matches.ts";
import { directDependencies } from "./direct_dependencies.ts";
import type { ModuleIndex } from "./module_index.ts";
import { foldAlias, moduleName } from "./module_name.ts";
import type { ModuleReason } from "./module_reason.ts";

/** Something to load: a module's name, file name or alias, or a glob over module names or aliases. */
export interface ModuleRequest {
  readonly word: string;
  /** The set it stands in. */
  readonly set?: string;
  /** The boot goes on without it. */
  readonly optional?: boolean;
}

/** One module to load. */
export interface ResolvedModule {
  /** Folded name. */
  readonly name: string;
  /** Relative to the index's directory. */
  readonly path: string;
  /** The boot goes on when it cannot be loaded. */
  readonly optional: boolean;
  /** Every way by which it came here, at least one. */
  readonly reasons: readonly ModuleReason[];
}

/** A word that needs no module. */
export interface BuiltInMatch {
  readonly word: string;
  readonly reason: ModuleReason;
}

export interface Resolution {
  /** In load order, each once. */
  readonly modules: readonly ResolvedModule[];
  readonly builtin: readonly BuiltInMatch[];
  /** Requests that are neither modules nor built in, each word once. */
  readonly absent: readonly ModuleRequest[];
}

/** A few hundred are much for an initramfs; a hostile index could make it thousands. */
const MAX_CLOSURE = 4096;
/** Aliases that words are compared with: a thousand words take less than half of it. */
const MAX_COMPARISONS = 1 << 26;
/** Real chains are 3 or 4 long. */
const MAX_SOFT_DEPTH = 256;

export interface ResolveOptions {
  /**
   * Takes weak dependencies as well, which a module asks the kernel for while it runs: for where nothing
   * could load them then, or where they would not be. modprobe leaves them alone.
   */
  weak?: boolean;
}

/**
 * Modules to load for `requests`, in load order, each with its reasons.
 *
 * @throws {FastboopError} `limit` when they need more than 4096 modules, or too many words are looked up.
 */
export function resolveModules(
  index: ModuleIndex,
  requests: readonly ModuleRequest[],
  { weak = false }: ResolveOptions = {},
): Resolution {
  const walk = new Walk(index, weak);
  const absent = new Map<string, ModuleRequest>();
  const roots: { name: string; optional: boolean }[] = [];
  for (const request of requests) {
    const { word, set, optional = false } = request;
    const found = walk.request(word);
    if (found === undefined) {
      if (!absent.has(word)) absent.set(word, request);
      continue;
    }
    const asked = (pattern?: string): ModuleReason => ({
      kind: "requested",
      word,
      ...(set === undefined ? {} : { set }),
      ...(pattern === undefined ? {} : { pattern }),
    });
    if (found.length === 0) walk.addBuiltin(word, asked());
    for (const { module, pattern } of found) {
      walk.addReason(module, asked(pattern));
      roots.push({ name: module, optional });
    }
  }
  for (const { name, optional } of roots) if (!optional) walk.require(name);
  for (const { name } of roots) walk.probe(name);
  const modules = walk.order.map((name) => ({
    name,
    path: index.modules.get(name)!.path,
    optional: !walk.required.has(name),
    reasons: walk.reasons.get(name) ?? [],
  }));
  return { modules, builtin: walk.builtin, absent: [...absent.values()] };
}

/** A module behind a word, and the alias that led to it. */
interface Match {
  readonly module: string;
  readonly pattern?: string;
}

class Walk {
  readonly order: string[] = [];
  readonly required = new Set<string>();
  readonly reasons = new Map<string, ModuleReason[]>();
  readonly builtin: BuiltInMatch[] = [];
  readonly #placed = new Set<string>();
  readonly #visited = new Set<string>();
  readonly #explained = new Set<string>();
  readonly #resolved = new Map<string, Match[] | undefined>();
  #depth = 0;
  #comparisons = 0;
  readonly #folded: { pattern: string; stored: string; module: string }[];

  constructor(readonly index: ModuleIndex, readonly takesWeak: boolean) {
    this.#folded = index.aliases
      .filter(({ module }) => index.modules.has(module))
      .map(({ pattern, module }) => ({ pattern: foldAlias(pattern), stored: pattern, module }));
  }

  addReason(name: string, reason: ModuleReason): void {
    const known = this.reasons.get(name);
    if (known === undefined) this.reasons.set(name, [reason]);
    else if (!known.some((other) => sameReason(other, reason))) known.push(reason);
  }

  addBuiltin(word: string, reason: ModuleReason): void {
    if (this.builtin.some((b) => b.word === word && sameReason(b.reason, reason))) return;
    this.builtin.push({ word, reason });
  }

  /** The same as `resolve`, and globs. */
  request(word: string): Match[] | undefined {
    return /[*?[]/.test(word) ? this.#expand(foldAlias(word)) : this.resolve(word);
  }

  /** Modules behind a name or alias; none when it is built in; undefined when nothing knows it. */
  resolve(wanted: string): Match[] | undefined {
    if (!this.#resolved.has(wanted)) this.#resolved.set(wanted, this.#lookUp(wanted));
    return this.#resolved.get(wanted);
  }

  #lookUp(wanted: string): Match[] | undefined {
    const name = moduleName(wanted);
    if (this.index.modules.has(name)) return [{ module: name }];
    if (this.index.builtin.has(name)) return [];
    const alias = foldAlias(wanted);
    this.#comparisons += this.#folded.length + this.index.builtinAliases.length;
    if (this.#comparisons > MAX_COMPARISONS) this.#tooMany("they name too many aliases");
    const matches = this.#folded.filter(({ pattern }) => aliasMatches(pattern, alias));
    if (matches.length > 0) return unique(matches);
    return this.index.builtinAliases.some((pattern) => aliasMatches(pattern, alias))
      ? []
      : undefined;
  }

  /** A glob names modules; when it names none, the text of aliases: `of:N*T*Cqcom,*`. */
  #expand(glob: string): Match[] | undefined {
    const names = [...this.index.modules.keys()].filter((name) => aliasMatches(glob, name));
    if (names.length > 0) return names.map((module) => ({ module }));
    const aliases = this.#folded.filter(({ pattern }) => aliasMatches(glob, pattern));
    if (aliases.length > 0) return unique(aliases);
    const { builtin, builtinAliases } = this.index;
    return [...builtin, ...builtinAliases].some((name) => aliasMatches(glob, name))
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
    const { dependencies } = this.index.modules.get(name)!;
    // What a dependency needs lies in this list too.
    for (const of of [...dependencies, name]) this.#explain(of);
    for (const needed of dependencies) this.#placeWithSoft(needed);
    this.#placeWithSoft(name);
    this.#depth--;
  }

  #explain(of: string): void {
    if (this.#explained.has(of)) return;
    this.#explained.add(of);
    for (const needed of directDependencies(this.index, of)) {
      this.addReason(needed, { kind: "hard", of });
    }
  }

  #placeWithSoft(name: string): void {
    const soft = this.index.softdeps.get(name);
    for (const alias of soft?.pre ?? []) this.#probeSoft(alias, name, "pre");
    if (this.takesWeak) {
      for (const word of this.index.weakdeps?.get(name) ?? []) this.#probeSoft(word, name, "weak");
    }
    if (!this.#placed.has(name)) {
      this.#placed.add(name);
      this.order.push(name);
    }
    for (const alias of soft?.post ?? []) this.#probeSoft(alias, name, "post");
    if (this.order.length > MAX_CLOSURE) this.#tooMany(`they need over ${MAX_CLOSURE} modules`);
  }

  #tooMany(state: string): never {
    throw new FastboopError({ kind: "limit", action: "Collect the modules to load", state });
  }

  #probeSoft(word: string, of: string, when: "pre" | "post" | "weak"): void {
    const found = this.resolve(word);
    if (found?.length === 0) this.addBuiltin(word, { kind: "soft", of, when, word });
    for (const { module, pattern } of found ?? []) {
      const alias = pattern === undefined ? {} : { pattern };
      this.addReason(module, { kind: "soft", of, when, word, ...alias });
      this.probe(module);
    }
  }
}

/** Each module once, by the first alias that leads to it. */
function unique(matches: readonly { stored: string; module: string }[]): Match[] {
  const found = new Map<string, Match>();
  for (const { stored, module } of matches) {
    if (!found.has(module)) found.set(module, { module, pattern: stored });
  }
  return [...found.values()];
}

function sameReason(a: ModuleReason, b: ModuleReason): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
