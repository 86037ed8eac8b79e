/** A build's modules as a boot needs them, without make and without a copy. */
import type { FileTree } from "../../sources/file_tree.ts";
import { indexFiles } from "../index_files.ts";
import type { KernelTree } from "../kernel_tree.ts";
import type { ModuleIndex } from "../module_index.ts";
import { ModulesTree } from "../modules_tree.ts";
import { readModuleIndex } from "../read_module_index.ts";
import { checkSigning } from "./check_signing.ts";
import { NativeModulesTree } from "./native_modules_tree.ts";
import { planNativeModules, type PlanNativeOptions } from "./plan_native_modules.ts";

export interface PrepareNativeOptions extends PlanNativeOptions {
  /** For a look: nobody will load these modules, so it does not matter who signs them. */
  isLook?: boolean;
}

/** The modules of a build, ready to be laid out. */
export interface NativeModules {
  /** Holds `usr/lib/modules/<release>` alone; to be disposed of. */
  readonly tree: FileTree;
  /** `usr/lib/modules/<release>`. */
  readonly directory: string;
  readonly index: ModuleIndex;
  /** What the user should know. */
  readonly warnings: readonly string[];
}

/**
 * Plans the modules of a checked tree and makes their indexes.
 *
 * @throws {FastboopError} `tree` when the kernel takes signed modules only or a module is missing;
 * `corrupt`, `unsupported`, `limit` and `source` from the modules; `permission`, `cancelled`.
 */
export async function prepareNativeModules(
  kernel: KernelTree,
  options: PrepareNativeOptions = {},
): Promise<NativeModules> {
  const warning = options.isLook ? undefined : checkSigning(kernel);
  const directory = `usr/lib/modules/${kernel.release}`;
  const native = new NativeModulesTree(directory, await planNativeModules(kernel, options));
  try {
    const { signal } = options;
    // Computed with the files that depmod would write, which need not be read again.
    const index = await readModuleIndex(native, directory, signal === undefined ? {} : { signal });
    const tree = new ModulesTree(native, { directory, added: indexFiles(index) });
    native.readInBackground();
    return { tree, directory, index, warnings: warning === undefined ? [] : [warning] };
  } catch (error) {
    await native[Symbol.asyncDispose]();
    throw error;
  }
}
