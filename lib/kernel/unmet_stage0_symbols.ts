/** What a kernel's configuration lacks for stage0, as `boot` asks before it sends anything. */
import { FastboopError } from "../errors/errors.ts";
import type { Kconfig } from "./kconfig.ts";
import { unmetRequirements, type UnmetSymbol } from "./kconfig_requirement.ts";
import { type Stage0Needs, stage0Requirements } from "./stage0_requirements.ts";

/** Symbols stage0 needs that `kconfig` does not have, in the order stage0 uses them. */
export function unmetStage0Symbols(kconfig: Kconfig, needs: Stage0Needs): UnmetSymbol[] {
  return unmetRequirements(kconfig, stage0Requirements(kconfig, needs));
}

/** The one error that names every unmet symbol with the line to add; kind `tree`. */
export function unmetSymbolsError(unmet: readonly UnmetSymbol[], outDir: string): FastboopError {
  const count = unmet.length === 1 ? "1 symbol" : `${unmet.length} symbols`;
  return new FastboopError({
    kind: "tree",
    action: `Check the configuration of kernel tree "${outDir}"`,
    state: [
      `stage0 needs ${count} more`,
      ...unmet.map(({ line, purpose }) => `  ${line}  (to ${purpose})`),
    ].join("\n"),
    hint: `Add these lines to ${outDir}/.config, run \`make olddefconfig\`, and build again`,
  });
}
