/** The files depmod(8) writes, from linked modules: text for people and busybox, `.bin` for kmod. */
import { foldAlias, moduleName } from "../module_name.ts";
import { encodeIndex, type IndexRecord, isIndexKey } from "./encode_index.ts";
import type { LinkedModule } from "./link_modules.ts";
import type { SymbolTable } from "./symbol_table.ts";

/** What kbuild wrote about the modules inside the kernel image; empty when it is not known. */
export interface BuiltinTexts {
  /** modules.builtin: a path per line. */
  readonly builtin: string;
  /** modules.builtin.modinfo: NUL-ended `module.key=value`. */
  readonly builtinModinfo: string;
}

/**
 * File name -> content, in modules.dep's row order.
 *
 * @throws {FastboopError} `limit` when an index would be larger than its format allows.
 */
export function encodeFiles(
  modules: readonly LinkedModule[],
  symbols: SymbolTable,
  { builtin, builtinModinfo }: BuiltinTexts,
): Map<string, Uint8Array<ArrayBuffer>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const put = (name: string, text: string) => files.set(name, encoder.encode(text));
  const rows = modules.map(dependencyRow);
  put("modules.dep", rows.map((row) => `${row}\n`).join(""));
  files.set(
    "modules.dep.bin",
    encodeIndex(modules.map(({ name }, i) => ({ key: name, value: rows[i]!, priority: i }))),
  );
  put("modules.alias", `# Aliases extracted from modules themselves.\n${aliasLines(modules)}`);
  files.set("modules.alias.bin", encodeIndex(aliasRecords(modules)));
  put("modules.softdep", softdepLines(modules));
  put("modules.weakdep", weakdepLines(modules));
  const exported = exportRecords(modules, symbols);
  put("modules.symbols", symbolLines(exported));
  files.set("modules.symbols.bin", encodeIndex(exported.filter(({ key }) => isIndexKey(key))));
  put("modules.devname", devnameLines(modules));
  files.set("modules.builtin.bin", encodeIndex(builtinRecords(builtin)));
  files.set("modules.builtin.alias.bin", encodeIndex(builtinAliasRecords(builtinModinfo)));
  return files;
}

const encoder = new TextEncoder();

function dependencyRow({ path, row }: LinkedModule): string {
  let text = `${path}:`;
  for (const needed of row) text += ` ${needed.path}`;
  return text;
}

function aliasLines(modules: readonly LinkedModule[]): string {
  let text = "";
  for (const { name, facts } of modules) {
    for (const alias of facts.modinfo.aliases) text += `alias ${oneLine(alias)} ${name}\n`;
  }
  return text;
}

function aliasRecords(modules: readonly LinkedModule[]): IndexRecord[] {
  const records: IndexRecord[] = [];
  for (const [priority, { name, facts }] of modules.entries()) {
    for (const alias of facts.modinfo.aliases) addAlias(records, alias, name, priority);
  }
  return records;
}

/** Aliases with a bracket that has no partner, or that no lookup can ask for, are left out, as by kmod. */
export function addAlias(
  records: IndexRecord[],
  alias: string,
  value: string,
  priority: number,
): void {
  const key = foldAlias(alias);
  if (isIndexKey(key) && hasPairedBrackets(key)) records.push({ key, value, priority });
}

function hasPairedBrackets(alias: string): boolean {
  if (!alias.includes("[") && !alias.includes("]")) return true;
  return /^(?:[^[\]]|\[[^\]]*\])*$/.test(alias);
}

function softdepLines(modules: readonly LinkedModule[]): string {
  let text = "# Soft dependencies extracted from modules themselves.\n";
  for (const { name, facts } of modules) {
    for (const softdep of facts.modinfo.softdeps) text += `softdep ${name} ${oneLine(softdep)}\n`;
  }
  return text;
}

function weakdepLines(modules: readonly LinkedModule[]): string {
  let text = "# Weak dependencies extracted from modules themselves.\n";
  for (const { name, facts } of modules) {
    for (const weakdep of facts.modinfo.weakdeps) text += `weakdep ${name} ${oneLine(weakdep)}\n`;
  }
  return text;
}

/** A line break inside a value would let a module write lines of others. */
function oneLine(value: string): string {
  return value.includes("\n") ? value.replaceAll("\n", " ") : value;
}

/** A symbol of several modules is the last one's, as in linkModules(). */
function exportRecords(modules: readonly LinkedModule[], symbols: SymbolTable): IndexRecord[] {
  const owners = new Int32Array(symbols.count).fill(-1);
  for (const [i, { facts }] of modules.entries()) {
    for (const symbol of facts.exported) owners[symbol] = i;
  }
  const records: IndexRecord[] = [];
  for (const [i, { name, facts }] of modules.entries()) {
    for (const symbol of facts.exported) {
      if (owners[symbol] !== i) continue;
      owners[symbol] = -1;
      records.push({ key: `symbol:${symbols.name(symbol)}`, value: name, priority: i });
    }
  }
  return records;
}

function symbolLines(records: readonly IndexRecord[]): string {
  let text = "# Aliases for symbols, used by symbol_request().\n";
  for (const { key, value } of records) text += `alias ${oneLine(key)} ${value}\n`;
  return text;
}

/** Device nodes whose first use loads the module: it has the aliases of a name and of a number. */
function devnameLines(modules: readonly LinkedModule[]): string {
  let text = "";
  for (const { name, facts } of modules) {
    let node: string | undefined;
    let device: string | undefined;
    for (const alias of facts.modinfo.aliases) {
      const number = alias.includes("-major-")
        ? /^(char|block)-major-(\d+)-(\d+)/.exec(alias)
        : undefined;
      if (alias.startsWith("devname:")) node = oneLine(alias.slice("devname:".length));
      else if (number) device = `${number[1]![0]}${number[2]}:${number[3]}`;
      if (node === undefined || device === undefined) continue;
      text += `${name} ${node} ${device}\n`;
      break;
    }
  }
  return text === "" ? "" : `# Device nodes to trigger on-demand module loading.\n${text}`;
}

/** A record for each built-in module. */
export function builtinRecords(builtin: string): IndexRecord[] {
  const names = builtin.split("\n").filter((line) => line !== "").map(moduleName);
  return names.filter(isIndexKey).map((key) => ({ key, value: "", priority: 0 }));
}

/** Those of the built-in modules' aliases. */
export function builtinAliasRecords(builtinModinfo: string): IndexRecord[] {
  const records: IndexRecord[] = [];
  for (const entry of builtinModinfo.split("\0")) {
    const match = /^([^.=]+)\.alias=(.*)$/s.exec(entry);
    if (match) addAlias(records, match[2]!, moduleName(match[1]!), 0);
  }
  return records;
}
