/** Whether kmod's binary indexes say what the texts beside them say. */
import { FastboopError } from "../errors/errors.ts";
import type { FileTree } from "../sources/file_tree.ts";
import { decodeIndex } from "./depmod/decode_index.ts";
import { addAlias, builtinAliasRecords, builtinRecords } from "./depmod/encode_files.ts";
import { type IndexRecord, isIndexKey } from "./depmod/encode_index.ts";
import { moduleName } from "./module_name.ts";
import type { ModulesProblem } from "./modules_problem.ts";
import { readTreeFile } from "./read_tree_file.ts";

interface Pair {
  readonly binary: string;
  readonly text: string;
  readonly records: (text: string) => IndexRecord[];
  /** modprobe does not work without. */
  readonly isNeeded: boolean;
}

const PAIRS: readonly Pair[] = [
  { binary: "modules.dep.bin", text: "modules.dep", records: depRecords, isNeeded: true },
  { binary: "modules.alias.bin", text: "modules.alias", records: aliasRecords, isNeeded: true },
  {
    binary: "modules.symbols.bin",
    text: "modules.symbols",
    records: symbolRecords,
    isNeeded: false,
  },
  {
    binary: "modules.builtin.bin",
    text: "modules.builtin",
    records: builtinRecords,
    isNeeded: true,
  },
  {
    binary: "modules.builtin.alias.bin",
    text: "modules.builtin.modinfo",
    records: builtinAliasRecords,
    isNeeded: false,
  },
];
const MAX_INDEX_BYTES = 64 << 20;

/**
 * Compares as sets: a key may have its values in any order of writing. A damaged index is a problem.
 *
 * @throws {FastboopError} what the tree throws, `limit`.
 */
export async function verifyBinaries(
  tree: FileTree,
  directory: string,
): Promise<ModulesProblem[]> {
  const problems: ModulesProblem[] = [];
  for (const { binary, text, records, isNeeded } of PAIRS) {
    const stored = await readIfThere(tree, `${directory}/${binary}`);
    if (stored === undefined) {
      const told = "it is not there, and modprobe reads nothing else: run `modules depmod`";
      if (isNeeded) problems.push({ path: binary, text: told });
      continue;
    }
    const beside = await readIfThere(tree, `${directory}/${text}`);
    // Without the text there is nothing to compare; that it is missing is told elsewhere.
    if (beside === undefined) continue;
    const told = compare(stored, binary, records(latin1.decode(beside)), text);
    problems.push(...told.map((line) => ({ path: binary, text: line })));
  }
  return problems;
}

const latin1 = new TextDecoder("latin1");

function compare(stored: Uint8Array, name: string, wanted: IndexRecord[], text: string): string[] {
  let found: IndexRecord[];
  try {
    found = decodeIndex(stored, name);
  } catch (error) {
    if (!(error instanceof FastboopError)) throw error;
    return [error.message];
  }
  const line = ({ key, value }: IndexRecord): string => `${key} ${value}`.trimEnd();
  const has = new Set(found.map(line));
  const wants = new Set(wanted.map(line));
  const lost = [...wants].filter((record) => !has.has(record));
  const extra = [...has].filter((record) => !wants.has(record));
  return [
    ...(lost.length > 0 ? [`${lost.length} of ${text} are not in it, first "${lost[0]}"`] : []),
    ...(extra.length > 0 ? [`${extra.length} are not in ${text}, first "${extra[0]}"`] : []),
  ];
}

function depRecords(text: string): IndexRecord[] {
  return rows(text).map((row) => ({
    key: moduleName(row.slice(0, Math.max(row.indexOf(":"), 0))),
    value: row,
    priority: 0,
  }));
}

function aliasRecords(text: string): IndexRecord[] {
  const records: IndexRecord[] = [];
  for (const { pattern, module } of aliases(text)) addAlias(records, pattern, module, 0);
  return records;
}

function symbolRecords(text: string): IndexRecord[] {
  return aliases(text).filter(({ pattern }) => isIndexKey(pattern))
    .map(({ pattern, module }) => ({ key: pattern, value: module, priority: 0 }));
}

function aliases(text: string): { pattern: string; module: string }[] {
  return rows(text).flatMap((row) => {
    const match = /^alias (.*) (\S+)$/.exec(row);
    return match ? [{ pattern: match[1]!, module: match[2]! }] : [];
  });
}

function rows(text: string): string[] {
  return text.split("\n").filter((row) => row !== "" && !row.startsWith("#"));
}

async function readIfThere(tree: FileTree, path: string): Promise<Uint8Array | undefined> {
  const entry = await tree.stat(path);
  if (entry?.kind !== "file") return undefined;
  return await readTreeFile(tree, path, MAX_INDEX_BYTES, { entry });
}
