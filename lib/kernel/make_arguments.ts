import { type Arch, ARCHES } from "./arch.ts";
import type { TreeLocation } from "./kernel_tree.ts";
import type { Toolchain } from "./toolchain_of.ts";

/**
 * Arguments with which make works on a tree: `-C DIR [O=DIR] ARCH=.. [CROSS_COMPILE=..] [LLVM=..]`.
 *
 * An output directory with kbuild's own Makefile is entered directly, as its user would.
 */
export function makeArguments(
  tree: TreeLocation & { arch: Arch; toolchain: Toolchain; hasOutputMakefile?: boolean },
): string[] {
  const direct = tree.sourceDir === undefined || tree.sourceDir === tree.outDir ||
    tree.hasOutputMakefile !== false;
  const place = direct ? ["-C", tree.outDir] : ["-C", tree.sourceDir!, `O=${tree.outDir}`];
  const { crossCompile, llvm } = tree.toolchain;
  return [
    ...place,
    `ARCH=${ARCHES[tree.arch].make}`,
    ...(crossCompile === "" ? [] : [`CROSS_COMPILE=${crossCompile}`]),
    ...(llvm === undefined ? [] : [`LLVM=${llvm}`]),
  ];
}
