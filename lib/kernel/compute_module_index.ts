/**
 * The index of a modules directory that depmod never saw: Debian's packages, and trees installed on a
 * host without kmod.
 */
import type { FileTree } from "../sources/file_tree.ts";
import { encodeFiles } from "./depmod/encode_files.ts";
import { type LinkedModule, linkModules, missing } from "./depmod/link_modules.ts";
import { readBuiltinTexts } from "./depmod/run_depmod.ts";
import { scanModules, type ScanOptions } from "./depmod/scan_modules.ts";
import type { IndexedModule, ModuleAlias, ModuleIndex } from "./module_index.ts";
import { parseSoftdep, parseWeakdep, type Softdep } from "./softdep.ts";

/** The part of an index that the modules themselves tell. */
export type ComputedIndex = Pick<ModuleIndex, "modules" | "softdeps" | "weakdeps" | "aliases"> & {
  readonly files: ReadonlyMap<string, Uint8Array>;
};

/**
 * Reads every module below `directory` and computes who needs whom, with the files depmod would write.
 *
 * Stricter than depmod: all that modpost wrote into a module's `depends=` has to be there.
 *
 * @throws {FastboopError} `tree` when a module needs one that is not there or some need each other;
 * `corrupt`, `limit`, `unsupported` from the files.
 */
export async function computeModuleIndex(
  tree: FileTree,
  directory: string,
  options: ScanOptions = {},
): Promise<ComputedIndex> {
  const scanned = await scanModules(tree, directory, options);
  const linked = linkModules(scanned);
  refuseGaps(linked);
  const modules = new Map<string, IndexedModule>();
  const softdeps = new Map<string, Softdep>();
  const weakdeps = new Map<string, string[]>();
  const aliases: ModuleAlias[] = [];
  for (const { name, path, row, facts } of linked) {
    modules.set(name, { name, path, dependencies: row.map((needed) => needed.name).reverse() });
    const parsed = facts.modinfo.softdeps.map(parseSoftdep);
    const pre = parsed.flatMap((softdep) => softdep.pre);
    const post = parsed.flatMap((softdep) => softdep.post);
    if (pre.length + post.length > 0) softdeps.set(name, { pre, post });
    const weak = facts.modinfo.weakdeps.flatMap(parseWeakdep);
    if (weak.length > 0) weakdeps.set(name, weak);
    for (const pattern of facts.modinfo.aliases) aliases.push({ pattern, module: name });
  }
  const builtin = await readBuiltinTexts(tree, directory);
  return {
    modules,
    softdeps,
    weakdeps,
    aliases,
    files: encodeFiles(linked, scanned.symbols, builtin),
  };
}

function refuseGaps(linked: readonly LinkedModule[]): void {
  const names = new Set(linked.map(({ name }) => name));
  for (const { path, facts } of linked) {
    const gone = facts.modinfo.depends.find((name) => !names.has(name));
    if (gone !== undefined) throw missing(path, gone);
  }
}
