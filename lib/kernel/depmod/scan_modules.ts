/**
 * Every module of a release's directory with its facts, in depmod's order: as modules.order lists them,
 * then the others by path.
 *
 * Of files that give the same module one wins: what lies below `updates/` goes before the rest (the
 * search order `updates built-in` of depmod.d(5)), then what comes first in this order.
 */
import { compareUtf8 } from "../../bytes/compare.ts";
import { cancelled, FastboopError } from "../../errors/errors.ts";
import type { Entry, FileTree } from "../../sources/file_tree.ts";
import type { Reader } from "../../sources/reader.ts";
import { inflateModule, MAX_MODULE_BYTES, type XzDecoder } from "../inflate_module.ts";
import { MODULE_SUFFIX, moduleName } from "../module_name.ts";
import { readTreeFile } from "../read_tree_file.ts";
import { type Elf, parseElf } from "../elf.ts";
import { type ModuleFacts, parseModuleFacts, SECTIONS } from "./module_facts.ts";
import { SymbolTable } from "./symbol_table.ts";

export interface ScanOptions {
  /** Reads `.ko.xz`; without it they are `unsupported`. Called up to 16 times at once. */
  xz?: XzDecoder;
  signal?: AbortSignal;
  /** Takes a module that is damaged, which is then left out; without it that is thrown. */
  onDamaged?: (path: string, error: FastboopError) => void;
  /** Modules read, and how many there are. */
  onProgress?: (done: number, total: number) => void;
}

export interface ScannedModule {
  readonly name: string;
  /** Relative to the release's directory. */
  readonly path: string;
  readonly facts: ModuleFacts;
}

export interface ScannedModules {
  readonly modules: readonly ScannedModule[];
  readonly symbols: SymbolTable;
}

const MAX_MODULES = 65_536;
const MAX_DEPTH = 24;
const MAX_ORDER_BYTES = 8 << 20;
/** Compressed modules under way at once, and their bytes as stored. */
const MAX_PARALLEL = 16;
const MAX_PARALLEL_BYTES = 16 << 20;
/** kbuild's links to the trees on the host. */
const NOT_ENTERED = new Set(["build", "source"]);

interface ModuleFile {
  readonly path: string;
  readonly entry: Entry;
}

/**
 * Reads the modules below `directory` (`""` is the root).
 *
 * @throws {FastboopError} `corrupt`, `limit`, `unsupported`, `source`, naming the module; `cancelled`.
 */
export async function scanModules(
  tree: FileTree,
  directory: string,
  options: ScanOptions = {},
): Promise<ScannedModules> {
  const at = (path: string): string => directory === "" ? path : `${directory}/${path}`;
  const found: ModuleFile[] = [];
  await collect(tree, at, "", 0, found);
  const files = winners(sortByOrder(found, await readOrder(tree, at("modules.order"))));
  const symbols = new SymbolTable();
  const modules: (ScannedModule | undefined)[] = new Array(files.length);
  const memory = new Scratch();
  let done = 0;
  const take = (index: number, { path }: ModuleFile, bytes: Uint8Array): void => {
    const facts = parseModuleFacts(bytes, path, symbols);
    modules[index] = { name: moduleName(path), path, facts };
    options.onProgress?.(++done, files.length);
  };
  const leaveOut = ({ path }: ModuleFile, error: unknown): void => {
    const isDamage = error instanceof FastboopError &&
      (error.kind === "corrupt" || error.kind === "unsupported");
    if (!isDamage || options.onDamaged === undefined) throw error;
    options.onDamaged(path, error);
    options.onProgress?.(++done, files.length);
  };
  const parallel = new Parallel();
  try {
    for (const [index, file] of files.entries()) {
      if (options.signal?.aborted) throw cancelled("Read the modules", options.signal);
      const { path, entry } = file;
      if (path.endsWith(".ko")) {
        const bytes = memory.of(entry.sizeBytes, path);
        await using reader = await tree.open(at(path), entry);
        await readParts(reader, bytes, path);
        try {
          take(index, file, bytes);
        } catch (error) {
          leaveOut(file, error);
        }
      } else {
        await parallel.room(entry.sizeBytes);
        const stored = await readTreeFile(tree, at(path), MAX_MODULE_BYTES, { entry });
        const taken = inflateModule(stored, path, options.xz)
          .then((bytes) => take(index, file, bytes))
          .catch((error) => leaveOut(file, error));
        parallel.add(entry.sizeBytes, taken);
      }
    }
    await parallel.end();
  } finally {
    await parallel.settled();
  }
  return { modules: modules.filter((module) => module !== undefined), symbols };
}

/** Files up to this size are read whole: one call for the bytes instead of about six. */
const WHOLE_BYTES = 256 << 10;
/** The headers and most of the symbols stand at the end of a module. */
const TAIL_BYTES = 128 << 10;

/**
 * Fills the parts of `bytes` that parseModuleFacts() looks at; elsewhere it may keep what was there. Of
 * Debian's modules, three hundred large ones have more than half of all the bytes.
 */
async function readParts(reader: Reader, bytes: Uint8Array, path: string): Promise<void> {
  const tailAt = bytes.length - TAIL_BYTES;
  const fill = (from: number, to: number) => reader.readAt(from, bytes.subarray(from, to));
  if (bytes.length <= WHOLE_BYTES) return await fill(0, bytes.length);
  await fill(0, 64);
  await fill(tailAt, bytes.length);
  const elf = parsedElf(bytes, path);
  if (elf === undefined || elf.tablesAtBytes < tailAt) return await fill(0, bytes.length);
  for (const { offsetBytes, sizeBytes } of elf.sections) {
    const end = Math.min(offsetBytes + sizeBytes, tailAt);
    if (offsetBytes < end) await fill(offsetBytes, end);
  }
}

/** Undefined when the headers are not in what was read: then it is too early to call them damaged. */
function parsedElf(bytes: Uint8Array, path: string): Elf | undefined {
  try {
    return parseElf(bytes, path, SECTIONS);
  } catch {
    return undefined;
  }
}

/** One piece of memory for all plain modules, which are looked at one after the other. */
class Scratch {
  #bytes = new Uint8Array(1 << 20);

  of(sizeBytes: number, path: string): Uint8Array {
    if (sizeBytes > MAX_MODULE_BYTES) {
      const state = `it has ${sizeBytes} bytes, the limit is ${MAX_MODULE_BYTES}`;
      throw new FastboopError({ kind: "limit", action: `Read module "${path}"`, state });
    }
    if (sizeBytes > this.#bytes.length) this.#bytes = new Uint8Array(sizeBytes);
    return this.#bytes.subarray(0, sizeBytes);
  }
}

/** Tasks under way within bounds; the first failure is thrown by the next call. */
class Parallel {
  readonly #running = new Set<Promise<void>>();
  #bytes = 0;
  #failure: { error: unknown } | undefined;

  async room(sizeBytes: number): Promise<void> {
    const isFull = () =>
      this.#running.size >= MAX_PARALLEL || this.#bytes + sizeBytes > MAX_PARALLEL_BYTES;
    while (this.#running.size > 0 && isFull()) await Promise.race(this.#running);
    if (this.#failure) throw this.#failure.error;
  }

  add(sizeBytes: number, task: Promise<void>): void {
    this.#bytes += sizeBytes;
    const running = task.catch((error) => {
      this.#failure ??= { error };
    }).finally(() => {
      this.#running.delete(running);
      this.#bytes -= sizeBytes;
    });
    this.#running.add(running);
  }

  async end(): Promise<void> {
    await this.settled();
    if (this.#failure) throw this.#failure.error;
  }

  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }
}

async function collect(
  tree: FileTree,
  at: (path: string) => string,
  below: string,
  depth: number,
  into: ModuleFile[],
): Promise<void> {
  const folder = at(below).replace(/\/$/, "");
  if (depth > MAX_DEPTH || into.length > MAX_MODULES) {
    throw new FastboopError({
      kind: "limit",
      action: `Look for modules in "${folder}"`,
      state: depth > MAX_DEPTH ? `folders are nested ${depth} deep` : `over ${MAX_MODULES} of them`,
    });
  }
  for (const entry of await tree.list(folder)) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.kind === "directory") {
      if (!NOT_ENTERED.has(entry.name)) await collect(tree, at, path, depth + 1, into);
    } else if (entry.kind === "file" && MODULE_SUFFIX.test(entry.name)) into.push({ path, entry });
  }
}

/** Position of each module that modules.order names, by path without the compression. */
async function readOrder(tree: FileTree, path: string): Promise<Map<string, number>> {
  const order = new Map<string, number>();
  const entry = await tree.stat(path);
  if (entry?.kind !== "file") return order;
  const text = new TextDecoder().decode(
    await readTreeFile(tree, path, MAX_ORDER_BYTES, { entry }),
  );
  // A build tree's list names objects; a release's directory has the files' own names.
  // Of a line that is there twice the last one counts, as in depmod.
  for (const [at, line] of text.split("\n").entries()) order.set(line.replace(/\.o$/, ".ko"), at);
  return order;
}

function sortByOrder(files: ModuleFile[], order: ReadonlyMap<string, number>): ModuleFile[] {
  const listed: [number, ModuleFile][] = [];
  const others: ModuleFile[] = [];
  for (const file of files) {
    const position = order.get(file.path.replace(MODULE_SUFFIX, ".ko"));
    if (position === undefined) others.push(file);
    else listed.push([position, file]);
  }
  listed.sort(([a], [b]) => a - b);
  others.sort((a, b) => compareUtf8(a.path, b.path));
  return [...listed.map(([, file]) => file), ...others];
}

/** Drops the files that another one of the same module replaces. */
function winners(files: readonly ModuleFile[]): ModuleFile[] {
  const byName = new Map<string, ModuleFile>();
  const isUpdate = ({ path }: ModuleFile): boolean => path.startsWith("updates/");
  for (const file of files) {
    const name = moduleName(file.path);
    const other = byName.get(name);
    if (other === undefined || (isUpdate(file) && !isUpdate(other))) byName.set(name, file);
  }
  return byName.size === files.length
    ? [...files]
    : files.filter((file) => byName.get(moduleName(file.path)) === file);
}
