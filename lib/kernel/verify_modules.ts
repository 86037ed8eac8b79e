/** Whether a release's directory holds what its indexes say, all of one build. */
import { FastboopError } from "../errors/errors.ts";
import type { FileTree } from "../sources/file_tree.ts";
import { encodeFiles } from "./depmod/encode_files.ts";
import { linkModules } from "./depmod/link_modules.ts";
import { readBuiltinTexts } from "./depmod/run_depmod.ts";
import { scanModules, type ScannedModules, type ScanOptions } from "./depmod/scan_modules.ts";
import { MODULE_SUFFIX, moduleName } from "./module_name.ts";
import type { ModulesProblem } from "./modules_problem.ts";
import { parseModulesDep } from "./modules_dep.ts";
import { readTreeFile } from "./read_tree_file.ts";
import { verifyBinaries } from "./verify_binaries.ts";

const MAX_INDEX_BYTES = 64 << 20;
const MAX_FILES = 131_072;
const MAX_DEPTH = 24;
/** Texts that can be compared as sets of lines. */
const TEXT = ["modules.alias", "modules.softdep"];

/**
 * All that is wrong with `directory`, sorted by file; nothing when it is whole.
 *
 * @throws {FastboopError} what the tree throws, `limit`, `cancelled`; a damaged module is no error but a
 * problem.
 */
export async function verifyModules(
  tree: FileTree,
  directory: string,
  release: string,
  options: ScanOptions = {},
): Promise<ModulesProblem[]> {
  const problems: ModulesProblem[] = [];
  const say = (path: string, text: string): unknown => problems.push({ path, text });
  const files = await moduleFiles(tree, directory);
  const byName = new Map<string, string>();
  for (const path of files) {
    const other = byName.get(moduleName(path));
    if (other !== undefined) say(path, `"${other}" is the same module`);
    else byName.set(moduleName(path), path);
  }
  const listed = await readDep(tree, directory, say);
  if (listed !== undefined) compareFiles(new Set(files), listed, say);
  const damaged = new Set<string>();
  const onDamaged = (path: string, error: FastboopError) => {
    damaged.add(path);
    say(path, error.message);
  };
  const scanned = await attempt(
    "modules",
    say,
    () => scanModules(tree, directory, { ...options, onDamaged }),
  );
  if (scanned !== undefined) {
    checkInfos(scanned, byName, release, say);
    const fresh = await attempt("modules.dep", say, async () => {
      const builtin = await readBuiltinTexts(tree, directory);
      return encodeFiles(linkModules(scanned), scanned.symbols, builtin);
    });
    if (fresh !== undefined) {
      await compareIndexes(tree, directory, { listed, fresh: new Map(fresh), damaged }, say);
    }
  }
  for (const { path, text } of await verifyBinaries(tree, directory)) say(path, text);
  return problems.sort((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : 0);
}

type Say = (path: string, text: string) => unknown;

/** What is damaged or does not fit is told; what cannot be read, or was stopped, ends it. */
async function attempt<T>(path: string, say: Say, run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    const isProblem = error instanceof FastboopError &&
      ["corrupt", "tree", "unsupported"].includes(error.kind);
    if (!isProblem) throw error;
    say(path, error.message);
    return undefined;
  }
}

async function moduleFiles(tree: FileTree, directory: string): Promise<string[]> {
  const files: string[] = [];
  const pending: { below: string; depth: number }[] = [{ below: "", depth: 0 }];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    const { below, depth } = folder;
    for (const { name, kind } of await tree.list(below ? `${directory}/${below}` : directory)) {
      const path = below === "" ? name : `${below}/${name}`;
      const isLink = below === "" && (name === "build" || name === "source");
      if (kind === "directory" && !isLink) pending.push({ below: path, depth: depth + 1 });
      else if (kind === "file" && MODULE_SUFFIX.test(name)) files.push(path);
    }
    if (files.length > MAX_FILES || depth > MAX_DEPTH) {
      throw new FastboopError({
        kind: "limit",
        action: `Look for modules in "${directory}"`,
        state: `there are over ${MAX_FILES}, or folders nested over ${MAX_DEPTH} deep`,
      });
    }
  }
  return files.sort();
}

async function readDep(
  tree: FileTree,
  directory: string,
  say: Say,
): Promise<ReadonlyMap<string, readonly string[]> | undefined> {
  const text = await readText(tree, `${directory}/modules.dep`);
  if (text === undefined) {
    say("modules.dep", "it is not there: run `modules depmod`");
    return undefined;
  }
  return await attempt("modules.dep", say, () => Promise.resolve(parseModulesDep(text)));
}

function compareFiles(
  files: ReadonlySet<string>,
  listed: ReadonlyMap<string, readonly string[]>,
  say: Say,
): void {
  for (const [path, dependencies] of listed) {
    if (!files.has(path)) say(path, "modules.dep lists it, but there is no such file");
    for (const needed of dependencies) {
      if (!listed.has(needed)) say(path, `it needs "${needed}", which modules.dep does not list`);
    }
  }
  for (const path of files) if (!listed.has(path)) say(path, "modules.dep does not list it");
}

function checkInfos(
  { modules }: ScannedModules,
  byName: ReadonlyMap<string, string>,
  release: string,
  say: Say,
): void {
  for (const { path, facts } of modules) {
    const built = facts.modinfo.vermagic?.split(" ")[0];
    if (built === undefined) say(path, "it names no release (vermagic)");
    else if (built !== release) say(path, `it is built for "${built}", not for "${release}"`);
    for (const needed of facts.modinfo.depends) {
      if (!byName.has(needed)) say(path, `it needs module "${needed}", which is not there`);
    }
  }
}

/** The stored indexes against those the modules themselves give. */
async function compareIndexes(
  tree: FileTree,
  directory: string,
  { listed, fresh, damaged }: {
    listed: ReadonlyMap<string, readonly string[]> | undefined;
    fresh: ReadonlyMap<string, Uint8Array>;
    damaged: ReadonlySet<string>;
  },
  say: Say,
): Promise<void> {
  // What a damaged module was for is not known: nothing is said of it, and of what is said of it.
  const ofDamaged = new Set([...damaged].map(moduleName));
  const isKnown = (line: string) =>
    !ofDamaged.has(
      line.slice(line.startsWith("alias ") ? line.lastIndexOf(" ") + 1 : 8).split(" ")[0]!,
    );
  const dep = parseModulesDep(new TextDecoder().decode(fresh.get("modules.dep")));
  for (const [path, dependencies] of dep) {
    const stored = listed?.get(path);
    if (stored === undefined) continue;
    const [has, needs] = [new Set(stored), new Set(dependencies)];
    const lost = dependencies.filter((needed) => !has.has(needed));
    const extra = stored.filter((needed) => !needs.has(needed) && damaged.size === 0);
    if (lost.length > 0) say(path, `modules.dep does not say that it needs ${lost.join(", ")}`);
    if (extra.length > 0) say(path, `modules.dep says it needs ${extra.join(", ")}, wrongly`);
  }
  for (const name of TEXT) {
    const stored = await readText(tree, `${directory}/${name}`);
    if (stored === undefined) {
      say(name, "it is not there: run `modules depmod`");
      continue;
    }
    const has = lines(stored);
    const wants = lines(new TextDecoder().decode(fresh.get(name)));
    const lost = [...wants].filter((line) => !has.has(line));
    const extra = [...has].filter((line) => !wants.has(line) && isKnown(line));
    if (lost.length > 0) say(name, `${lost.length} lines are not there, first "${lost[0]}"`);
    if (extra.length > 0) say(name, `${extra.length} lines are of no module, first "${extra[0]}"`);
  }
}

function lines(text: string): Set<string> {
  return new Set(text.split("\n").filter((line) => line !== "" && !line.startsWith("#")));
}

async function readText(tree: FileTree, path: string): Promise<string | undefined> {
  const entry = await tree.stat(path);
  if (entry?.kind !== "file") return undefined;
  return new TextDecoder().decode(await readTreeFile(tree, path, MAX_INDEX_BYTES, { entry }));
}
