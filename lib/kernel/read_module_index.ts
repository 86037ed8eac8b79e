/** Reads what a modules directory says about its modules, or computes it when depmod never ran. */
import { FastboopError } from "../errors/errors.ts";
import type { FileTree } from "../sources/file_tree.ts";
import { computeModuleIndex } from "./compute_module_index.ts";
import type { XzDecoder } from "./inflate_module.ts";
import type { IndexedModule, ModuleAlias, ModuleIndex } from "./module_index.ts";
import { foldAlias, moduleName } from "./module_name.ts";
import { type ModulesDep, parseModulesDep } from "./modules_dep.ts";
import { readTreeFile } from "./read_tree_file.ts";
import { parseSoftdep, parseWeakdep, type Softdep } from "./softdep.ts";

/** Debian's modules.alias has about 2 MiB. */
const MAX_INDEX_BYTES = 64 << 20;

export interface ReadModuleIndexOptions {
  /** Reads `.ko.xz` where modules must be opened; without it they are `unsupported`. */
  xz?: XzDecoder;
  signal?: AbortSignal;
}

/**
 * The index of `directory` (`usr/lib/modules/6.12.3`) in `tree`.
 *
 * @throws {FastboopError} `tree` when the directory is not there or its parts do not fit; `corrupt`.
 */
export async function readModuleIndex(
  tree: FileTree,
  directory: string,
  options: ReadModuleIndexOptions = {},
): Promise<ModuleIndex> {
  if ((await tree.stat(directory))?.kind !== "directory") {
    throw new FastboopError({
      kind: "tree",
      action: `Read the modules of "${directory}"`,
      state: "there is no such directory",
      hint: "The root file system brings no modules for this kernel: pass --kernel",
    });
  }
  const read = async (name: string): Promise<string | undefined> => {
    const path = `${directory}/${name}`;
    const entry = await tree.stat(path);
    if (entry?.kind !== "file") return undefined;
    return new TextDecoder().decode(
      await readTreeFile(tree, path, MAX_INDEX_BYTES, { ...options, entry }),
    );
  };
  const [dep, softdep, alias] = [
    await read("modules.dep"),
    await read("modules.softdep"),
    await read("modules.alias"),
  ];
  const complete = dep !== undefined && softdep !== undefined && alias !== undefined;
  const loadable = complete
    ? {
      modules: modulesOf(parseModulesDep(dep)),
      softdeps: parseSoftdeps(softdep),
      // depmod writes it since kmod 33.
      weakdeps: parseWeakdeps(await read("modules.weakdep") ?? ""),
      aliases: parseAliases(alias),
    }
    : await computeModuleIndex(tree, directory, options);
  const builtin = (await read("modules.builtin") ?? "").split("\n").filter((line) => line !== "");
  return {
    directory,
    ...loadable,
    builtin: new Set(builtin.map(moduleName)),
    builtinAliases: parseBuiltinAliases(await read("modules.builtin.modinfo") ?? ""),
    origin: complete ? "depmod" : "modinfo",
  };
}

function modulesOf(dep: ModulesDep): Map<string, IndexedModule> {
  const modules = new Map<string, IndexedModule>();
  for (const [path, dependencies] of dep) {
    const name = moduleName(path);
    modules.set(name, { name, path, dependencies: dependencies.map(moduleName) });
  }
  for (const { path, dependencies } of modules.values()) {
    const lost = dependencies.find((name) => !modules.has(name));
    if (lost === undefined) continue;
    throw new FastboopError({
      kind: "corrupt",
      action: "Read modules.dep",
      state: `"${path}" needs "${lost}", which has no line of its own`,
      hint: "Run depmod, or `make modules_install` again",
    });
  }
  return modules;
}

function parseSoftdeps(text: string): Map<string, Softdep> {
  const softdeps = new Map<string, Softdep>();
  for (const line of text.split("\n")) {
    const match = /^softdep\s+(\S+)\s+(.*)$/.exec(line);
    if (!match) continue;
    const name = moduleName(match[1]!);
    const before = softdeps.get(name) ?? { pre: [], post: [] };
    const more = parseSoftdep(match[2]!);
    softdeps.set(name, {
      pre: [...before.pre, ...more.pre],
      post: [...before.post, ...more.post],
    });
  }
  return softdeps;
}

function parseWeakdeps(text: string): Map<string, string[]> {
  const weakdeps = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const match = /^weakdep\s+(\S+)\s+(.*)$/.exec(line);
    if (!match) continue;
    const name = moduleName(match[1]!);
    weakdeps.set(name, [...weakdeps.get(name) ?? [], ...parseWeakdep(match[2]!)]);
  }
  return weakdeps;
}

function parseAliases(text: string): ModuleAlias[] {
  const aliases: ModuleAlias[] = [];
  for (const line of text.split("\n")) {
    if (!/^alias\s/.test(line)) continue;
    const words = line.slice("alias".length).trim();
    // A pattern may hold blanks (dmi:*), the module's name may not.
    const blank = words.search(/\s\S+$/);
    if (blank < 0) continue;
    const module = moduleName(words.slice(blank + 1));
    aliases.push({ pattern: words.slice(0, blank).trimEnd(), module });
  }
  return aliases;
}

/** modules.builtin.modinfo holds NUL-ended `module.key=value` strings. */
function parseBuiltinAliases(text: string): string[] {
  const aliases: string[] = [];
  for (const entry of text.split("\0")) {
    const match = /^[^.=]+\.alias=(.*)$/s.exec(entry);
    if (match) aliases.push(foldAlias(match[1]!));
  }
  return aliases;
}
