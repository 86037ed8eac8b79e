/**
 * Who needs whom: a module needs the modules that export the symbols it leaves undefined. Symbols which
 * no module exports are the kernel's own; whether it has them is not known here.
 *
 * Rows come out in the order of depmod(8), which sorts the whole graph once, users before what they
 * use, and every row by that: two modules that nothing orders then load in the same order everywhere.
 */
import { FastboopError } from "../../errors/errors.ts";
import type { ScannedModule, ScannedModules } from "./scan_modules.ts";

export interface LinkedModule extends ScannedModule {
  /** All it needs, direct or not, each after its users: the reverse of a load order. */
  readonly row: readonly LinkedModule[];
}

/** Modules each needing the next; real chains are about 10 long. */
const MAX_CHAIN = 512;
/** Names in all rows together; Debian's kernel has 12 000. */
const MAX_ROW_NAMES = 4 << 20;
/** Names looked at while the rows are joined. */
const MAX_STEPS = 64 << 20;
/** Modules of a circle that an error names. */
const MAX_SHOWN = 16;

/**
 * Joins the modules by their symbols.
 *
 * @throws {FastboopError} `tree` when modules need each other, naming the chain, or when a module without
 * symbols names one that is not there; `limit`.
 */
export function linkModules({ modules, symbols }: ScannedModules): LinkedModule[] {
  const owners = new Int32Array(symbols.count).fill(-1);
  // A name that several modules export is the last one's, as in depmod.
  for (let i = 0; i < modules.length; i++) {
    for (const symbol of modules[i]!.facts.exported) owners[symbol] = i;
  }
  const edges = directEdges(modules, owners);
  const sorted = sortUsersFirst(modules, edges);
  const rows = closures(modules, edges, sorted);
  const linked = modules.map((module) => ({ ...module, row: [] as LinkedModule[] }));
  for (let i = 0; i < linked.length; i++) {
    for (const needed of rows[i]!) linked[i]!.row.push(linked[needed]!);
  }
  return linked;
}

function directEdges(modules: readonly ScannedModule[], owners: Int32Array): number[][] {
  const byName = new Map(modules.map(({ name }, i) => [name, i]));
  const seenBy = new Int32Array(modules.length).fill(-1);
  return modules.map(({ path, facts }, user) => {
    const needed: number[] = [];
    const add = (owner: number): void => {
      if (owner === user || seenBy[owner] === user) return;
      seenBy[owner] = user;
      needed.push(owner);
    };
    for (const symbol of facts.needed) {
      const owner = owners[symbol]!;
      if (owner >= 0) add(owner);
    }
    if (facts.hasSymbols) return needed;
    for (const name of facts.modinfo.depends) {
      const owner = byName.get(name);
      if (owner === undefined) throw missing(path, name);
      add(owner);
    }
    return needed;
  });
}

/** The error of a module that needs one which is not there; kind `tree`. */
export function missing(path: string, name: string): FastboopError {
  return new FastboopError({
    kind: "tree",
    action: `Order the dependencies of module "${path}"`,
    state: `"${name}" is not there`,
    hint: "Build and install all modules: `make modules`",
  });
}

/** Numbers of the modules, users before what they use; the last one that became free goes first. */
function sortUsersFirst(modules: readonly ScannedModule[], edges: number[][]): number[] {
  const users = new Uint32Array(modules.length);
  for (const needed of edges) for (const owner of needed) users[owner]!++;
  const free: number[] = [];
  for (let i = 0; i < users.length; i++) if (users[i] === 0) free.push(i);
  const sorted: number[] = [];
  for (let next = free.pop(); next !== undefined; next = free.pop()) {
    sorted.push(next);
    for (const owner of edges[next]!) if (--users[owner]! === 0) free.push(owner);
  }
  if (sorted.length < modules.length) throw circle(modules, edges, users);
  return sorted;
}

/** Whoever is left has a user that is left: going from user to user must come round. */
function circle(
  modules: readonly ScannedModule[],
  edges: number[][],
  users: Uint32Array,
): FastboopError {
  const userOf = new Map<number, number>();
  for (let i = 0; i < edges.length; i++) {
    if (users[i]! > 0) { for (const owner of edges[i]!) userOf.set(owner, i); }
  }
  const visited = new Set<number>();
  let at = users.findIndex((count) => count > 0);
  for (; !visited.has(at); at = userOf.get(at)!) visited.add(at);
  const chain = [...visited];
  const names = chain.slice(chain.indexOf(at)).reverse().map((i) => modules[i]!.name);
  const shown = names.length > MAX_SHOWN ? [...names.slice(0, MAX_SHOWN), "..."] : names;
  return new FastboopError({
    kind: "tree",
    action: `Order the dependencies of module "${modules[at]!.path}"`,
    state: `these modules need each other: ${[...shown, names[0]].join(" -> ")}`,
    hint: "One of them comes from another build: build and install all modules together",
  });
}

/** Everything each module needs, users first. */
function closures(
  modules: readonly ScannedModule[],
  edges: number[][],
  sorted: readonly number[],
): number[][] {
  const rank = new Uint32Array(modules.length);
  sorted.forEach((module, i) => rank[module] = i);
  const seenBy = new Int32Array(modules.length).fill(-1);
  const depth = new Uint32Array(modules.length);
  const rows: number[][] = new Array(modules.length);
  let names = 0;
  let steps = 0;
  for (let i = sorted.length - 1; i >= 0; i--) {
    const user = sorted[i]!;
    const row: number[] = [];
    const add = (needed: number): void => {
      steps++;
      if (seenBy[needed] === user) return;
      seenBy[needed] = user;
      row.push(needed);
    };
    for (const owner of edges[user]!) {
      depth[user] = Math.max(depth[user]!, depth[owner]! + 1);
      add(owner);
      rows[owner]!.forEach(add);
    }
    names += row.length;
    if (depth[user]! >= MAX_CHAIN || names > MAX_ROW_NAMES || steps > MAX_STEPS) {
      throw tooMany(modules[user]!.path, depth[user]!);
    }
    rows[user] = row.sort((a, b) => rank[a]! - rank[b]!);
  }
  return rows;
}

function tooMany(path: string, depth: number): FastboopError {
  return new FastboopError({
    kind: "limit",
    action: `Order the dependencies of module "${path}"`,
    state: depth >= MAX_CHAIN
      ? `more than ${MAX_CHAIN} in a row`
      : `the modules need more than ${MAX_ROW_NAMES} others, counted together`,
  });
}
