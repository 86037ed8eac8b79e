/** depmod(8) without its program: a directory of modules -> the index files that modprobe reads. */
import type { FileTree } from "../../sources/file_tree.ts";
import { readTreeFile } from "../read_tree_file.ts";
import { type BuiltinTexts, encodeFiles } from "./encode_files.ts";
import { linkModules } from "./link_modules.ts";
import { scanModules, type ScanOptions } from "./scan_modules.ts";

/**
 * The index files of `directory` (`usr/lib/modules/6.12.3`, or `""` for the tree's root), by name:
 * modules.dep, alias, symbols, softdep, weakdep and devname, and kmod's `.bin` of dep, alias, symbols,
 * builtin and builtin.alias. modules.order and modules.builtin* are read, not written.
 *
 * @throws {FastboopError} `tree` when modules need each other; `corrupt`, `limit`, `unsupported` and
 * `source` from the files, naming the module; `cancelled`.
 */
export async function runDepmod(
  tree: FileTree,
  directory: string,
  options: ScanOptions = {},
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const scanned = await scanModules(tree, directory, options);
  const linked = linkModules(scanned);
  return encodeFiles(linked, scanned.symbols, await readBuiltinTexts(tree, directory));
}

const MAX_BUILTIN_BYTES = 16 << 20;

/** What lies in the directory about the modules inside the kernel image. */
export async function readBuiltinTexts(tree: FileTree, directory: string): Promise<BuiltinTexts> {
  const read = async (name: string): Promise<string> => {
    const path = directory === "" ? name : `${directory}/${name}`;
    const entry = await tree.stat(path);
    if (entry?.kind !== "file") return "";
    return new TextDecoder().decode(await readTreeFile(tree, path, MAX_BUILTIN_BYTES, { entry }));
  };
  return {
    builtin: await read("modules.builtin"),
    builtinModinfo: await read("modules.builtin.modinfo"),
  };
}
