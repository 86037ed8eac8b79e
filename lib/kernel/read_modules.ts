/** The bytes of the modules to load, plain and checked, ready for the initramfs. */
import { FastboopError } from "../errors/errors.ts";
import type { FileTree } from "../sources/file_tree.ts";
import { type Arch, ARCHES } from "./arch.ts";
import { inflateModule, MAX_MODULE_BYTES, type XzDecoder } from "./inflate_module.ts";
import type { ModuleToLoad } from "./module_closure.ts";
import { parseModinfo } from "./modinfo.ts";
import { MODULE_SUFFIX } from "./module_name.ts";
import { readTreeFile } from "./read_tree_file.ts";

/** One module's content. */
export interface LoadedModule {
  /** File name without folders and compression: `usb-common.ko`. */
  readonly fileName: string;
  readonly bytes: Uint8Array;
  readonly optional: boolean;
}

/** What the modules must fit. */
export interface ModuleTarget {
  release: string;
  arch: Arch;
}

const MAX_TOTAL_BYTES = 512 << 20;

/**
 * Reads `modules` below `directory`, in their order.
 *
 * @throws {FastboopError} `tree` when one is of another release or architecture, naming both; `corrupt`,
 * `limit`, `unsupported` from the files.
 */
export async function readModules(
  tree: FileTree,
  directory: string,
  modules: readonly ModuleToLoad[],
  target: ModuleTarget,
  options: { xz?: XzDecoder; signal?: AbortSignal } = {},
): Promise<LoadedModule[]> {
  const loaded: LoadedModule[] = [];
  let totalBytes = 0;
  for (const { path, optional } of modules) {
    const stored = await readTreeFile(tree, `${directory}/${path}`, MAX_MODULE_BYTES, options);
    const bytes = await inflateModule(stored, path, options.xz);
    totalBytes += bytes.length;
    if (totalBytes > MAX_TOTAL_BYTES) {
      throw new FastboopError({
        kind: "limit",
        action: "Read the modules for the initramfs",
        state: `they are larger than ${MAX_TOTAL_BYTES} bytes`,
        hint: "Install them stripped (INSTALL_MOD_STRIP=1), or name fewer modules",
      });
    }
    checkTarget(bytes, path, target);
    const base = path.slice(path.lastIndexOf("/") + 1);
    loaded.push({ fileName: base.replace(MODULE_SUFFIX, ".ko"), bytes, optional });
  }
  return loaded;
}

function checkTarget(bytes: Uint8Array, path: string, target: ModuleTarget): void {
  const info = parseModinfo(bytes, path);
  const fail = (state: string): never => {
    throw new FastboopError({
      kind: "tree",
      action: `Check module "${path}"`,
      state,
      hint: "Build kernel and modules together, from one configuration",
    });
  };
  const wanted = ARCHES[target.arch].elfMachine;
  if (info.machine !== wanted) {
    fail(`it is for ELF machine ${info.machine}, ${target.arch} is ${wanted}`);
  }
  const release = info.vermagic?.split(" ")[0] ?? "";
  if (release !== target.release) {
    fail(`it is built for release "${release}", the kernel is "${target.release}"`);
  }
}
