/** Looks at a kernel tree by the sizes and times of its files: cheap enough for once a second. */
import { FastboopError } from "../errors/errors.ts";
import { ARCHES } from "../kernel/arch.ts";
import type { KernelTree } from "../kernel/kernel_tree.ts";
import { moduleStems } from "../kernel/module_stems.ts";
import { TreeFiles } from "../kernel/tree_files.ts";
import type { TreeLook, TreeProbe } from "./watch_tree.ts";

const TOP = [
  ".config",
  "include/config/auto.conf",
  "include/config/kernel.release",
  "modules.order",
  "modules.builtin",
  "Module.symvers",
  "vmlinux",
];
const MAX_ORDER_BYTES = 8 << 20;

/**
 * @param check finds the tree anew and checks it, as a boot does; throws `tree` when it is not
 * ready.
 * @param dtbPath where the device tree is, as soon as that is known.
 */
export function treeProbe(
  tree: Pick<KernelTree, "outDir" | "arch">,
  check: () => Promise<unknown>,
  dtbPath: () => string | undefined,
): TreeProbe {
  const files = new TreeFiles();
  const { directory, images } = ARCHES[tree.arch];
  const top = [...TOP, ...images.map((name) => `arch/${directory}/boot/${name}`)]
    .map((name) => `${tree.outDir}/${name}`);
  return {
    async look(deep: boolean): Promise<TreeLook> {
      const dtb = dtbPath();
      const look = {
        top: facts(files, top),
        ...(dtb === undefined ? {} : { dtb: facts(files, [dtb]) }),
      };
      if (!deep) return look;
      const order = await files.readText(`${tree.outDir}/modules.order`, MAX_ORDER_BYTES);
      const modules = moduleStems(order ?? "").map((stem) => `${tree.outDir}/${stem}.ko`);
      return { ...look, modules: facts(files, modules) };
    },
    async notReady(): Promise<string | undefined> {
      try {
        await check();
      } catch (error) {
        if (error instanceof FastboopError && error.kind === "tree") return error.state;
        throw error;
      }
    },
  };
}

function facts(files: TreeFiles, paths: readonly string[]): string {
  return paths.map((path) => {
    const found = files.statNow(path);
    return `${path} ${found?.sizeBytes} ${found?.mtimeMs}`;
  }).join("\n");
}
