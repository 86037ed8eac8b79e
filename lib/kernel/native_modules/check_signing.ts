/** Modules are signed by make while it installs them: what that means for an installation without it. */
import { FastboopError } from "../../errors/errors.ts";
import type { KernelTree } from "../kernel_tree.ts";

/** With each of these the kernel loads signed modules only (lib: kernel/module/Kconfig, security/lockdown). */
const DEMANDING = [
  "MODULE_SIG_FORCE",
  "LOCK_DOWN_KERNEL_FORCE_INTEGRITY",
  "LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY",
];

/**
 * What the user should know, if anything, when the tree's modules are taken as they were built.
 *
 * @throws {FastboopError} `tree` when the kernel would refuse to load them.
 */
export function checkSigning({ kconfig, outDir }: KernelTree): string | undefined {
  if (kconfig.get("MODULE_SIG") !== "y") return undefined;
  const demanding = DEMANDING.find((symbol) => kconfig.get(symbol) === "y");
  if (demanding !== undefined) {
    throw new FastboopError({
      kind: "tree",
      action: `Take the modules of kernel tree "${outDir}"`,
      state:
        `its kernel loads signed modules only (CONFIG_${demanding}=y), and make is what signs them`,
      hint: "Pass --modules=make, or build with the option off",
    });
  }
  if (kconfig.get("MODULE_SIG_ALL") !== "y") return undefined;
  return "the modules are not signed (make would have, CONFIG_MODULE_SIG_ALL=y): the kernel loads them and " +
    "marks itself tainted (E); with module.sig_enforce=1 it would not. --modules=make signs";
}
