/** The words of a `modules` verb -> what is to be loaded; what sets could not bring is told. */
import { FastboopError } from "../errors/errors.ts";
import { missingModulesError } from "../kernel/missing_modules_error.ts";
import type { ModuleIndex } from "../kernel/module_index.ts";
import { type Resolution, resolveModules, type ResolveOptions } from "../kernel/resolve_modules.ts";
import { loadBundledSets } from "../kernel/sets/bundled_sets.ts";
import { importZeroOs } from "../kernel/sets/import_zero_os.ts";
import { type ModuleSet, parseSet } from "../kernel/sets/parse_set.ts";
import { selectModules } from "../kernel/sets/select_modules.ts";
import { TreeFiles } from "../kernel/tree_files.ts";
import type { CommandContext, Options } from "./command.ts";

const MAX_SET_BYTES = 1 << 20;

/**
 * Resolves names and `@set` words, with `--set-file` and `--zero-os-list` beside the bundled sets.
 *
 * @param resolve beyond what modprobe loads.
 * @throws {FastboopError} `tree` for a name the user typed that is not there; `usage` for an unknown set.
 */
export async function resolveWords(
  index: ModuleIndex,
  words: readonly string[],
  options: Options,
  { progress }: CommandContext,
  resolve: ResolveOptions = {},
): Promise<Resolution> {
  const sets = await loadSets(options, progress.note);
  const resolution = resolveModules(index, selectModules(words, sets), resolve);
  const missing = resolution.absent.filter(({ optional }) => optional !== true);
  if (missing.length > 0) throw missingModulesError(index, missing.map(({ word }) => word));
  return resolution;
}

/** Notes, one per set, of what it names and this kernel does not have. */
export function tellAbsent({ absent }: Resolution, { progress }: CommandContext): void {
  for (const name of new Set(absent.map(({ set }) => set))) {
    const words = absent.filter(({ set }) => set === name).map(({ word }) => word);
    progress.note(`@${name}: ${words.length} not in this kernel: ${words.join(", ")}`);
  }
}

async function loadSets(
  options: Options,
  note: (text: string) => void,
): Promise<Map<string, ModuleSet>> {
  const sets = await loadBundledSets();
  for (const path of options["setFile"] as string[] | undefined ?? []) {
    const name = setName(path);
    sets.set(name, parseSet(name, await readText(path)));
  }
  for (const path of options["zeroOsList"] as string[] | undefined ?? []) {
    const name = setName(path);
    const { set, ignored } = importZeroOs(name, await readText(path));
    sets.set(name, set);
    for (const { line, word, hint } of ignored) {
      note(`${path}, line ${line}: the hint "${hint}" of ${word} is ignored; see --firmware`);
    }
  }
  return sets;
}

/** `lists/My_Board.list` is `@my-board`. */
function setName(path: string): string {
  const base = path.slice(path.lastIndexOf("/") + 1).replace(/\.[a-z]+$/, "");
  return base.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "set";
}

async function readText(path: string): Promise<string> {
  const text = await new TreeFiles().readText(path, MAX_SET_BYTES);
  if (text !== undefined) return text;
  throw new FastboopError({
    kind: "not-found",
    action: `Read "${path}"`,
    state: "there is no such file",
  });
}
