/**
 * The index of a modules directory that depmod never saw: Debian's packages, and trees installed on a
 * host without kmod. modpost already wrote the names of the used modules into each module's
 * `depends=`, so no symbol table is needed.
 */
import { cancelled, FastboopError } from "../errors/errors.ts";
import { compareUtf8 } from "../bytes/compare.ts";
import type { FileTree } from "../sources/file_tree.ts";
import { inflateModule, MAX_MODULE_BYTES, type XzDecoder } from "./inflate_module.ts";
import type { IndexedModule, ModuleAlias, ModuleIndex } from "./module_index.ts";
import { MODULE_SUFFIX, moduleName } from "./module_name.ts";
import { type Modinfo, parseModinfo } from "./modinfo.ts";
import { readTreeFile } from "./read_tree_file.ts";
import type { Softdep } from "./softdep.ts";

const MAX_MODULES = 65_536;
const MAX_DEPTH = 24;
/** Modules each needing the next; real chains are about 10 long. */
const MAX_CHAIN = 512;

/** The part of an index that the modules themselves tell. */
export type ComputedIndex = Pick<ModuleIndex, "modules" | "softdeps" | "aliases">;

/**
 * Reads every module below `directory` and computes who needs whom.
 *
 * @throws {FastboopError} `tree` when a module needs one that is not there or two need each other;
 * `corrupt`, `limit`, `unsupported` from the files.
 */
export async function computeModuleIndex(
  tree: FileTree,
  directory: string,
  options: { xz?: XzDecoder; signal?: AbortSignal } = {},
): Promise<ComputedIndex> {
  const paths: string[] = [];
  await collectModules(tree, directory, "", 0, paths);
  paths.sort(compareUtf8);
  const found = new Map<string, { path: string; info: Modinfo }>();
  for (const path of paths) {
    if (options.signal?.aborted) throw cancelled("Read the modules", options.signal);
    const stored = await readTreeFile(tree, `${directory}/${path}`, MAX_MODULE_BYTES, options);
    const info = parseModinfo(await inflateModule(stored, path, options.xz), path);
    found.set(moduleName(path), { path, info });
  }
  const modules = new Map<string, IndexedModule>();
  for (const [name, { path }] of found) {
    const order: string[] = [];
    visit(name, found, new Set(), new Set(), order);
    modules.set(name, { name, path, dependencies: order.slice(0, -1) });
  }
  const softdeps = new Map<string, Softdep>();
  const aliases: ModuleAlias[] = [];
  for (const [name, { info }] of found) {
    const pre = info.softdeps.flatMap((s) => s.pre);
    const post = info.softdeps.flatMap((s) => s.post);
    if (pre.length + post.length > 0) softdeps.set(name, { pre, post });
    for (const pattern of info.aliases) aliases.push({ pattern, module: name });
  }
  return { modules, softdeps, aliases };
}

async function collectModules(
  tree: FileTree,
  root: string,
  below: string,
  depth: number,
  into: string[],
): Promise<void> {
  if (depth > MAX_DEPTH || into.length > MAX_MODULES) {
    throw new FastboopError({
      kind: "limit",
      action: `Look for modules in "${root}"`,
      state: depth > MAX_DEPTH ? `folders are nested ${depth} deep` : `over ${MAX_MODULES} of them`,
    });
  }
  for (const entry of await tree.list(below === "" ? root : `${root}/${below}`)) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.kind === "directory") await collectModules(tree, root, path, depth + 1, into);
    else if (entry.kind === "file" && MODULE_SUFFIX.test(entry.name)) into.push(path);
  }
}

/** Appends `name` after all it needs; depth first. */
function visit(
  name: string,
  found: ReadonlyMap<string, { path: string; info: Modinfo }>,
  open: Set<string>,
  done: Set<string>,
  order: string[],
): void {
  if (done.has(name)) return;
  const module = found.get(name)!;
  open.add(name);
  if (open.size > MAX_CHAIN) {
    const action = `Order the dependencies of module "${module.path}"`;
    throw new FastboopError({ kind: "limit", action, state: `more than ${MAX_CHAIN} in a row` });
  }
  for (const needed of module.info.depends) {
    if (!found.has(needed) || open.has(needed)) {
      throw new FastboopError({
        kind: "tree",
        action: `Order the dependencies of module "${module.path}"`,
        state: open.has(needed) ? `it and "${needed}" need each other` : `"${needed}" is not there`,
        hint: "Build and install all modules: `make modules`",
      });
    }
    visit(needed, found, open, done, order);
  }
  open.delete(name);
  done.add(name);
  order.push(name);
}
