/** One symbol a kernel must be configured with, and what a configuration lacks of a list of them. */
import type { Kconfig } from "./kconfig.ts";

export interface KconfigRequirement {
  /** Without `CONFIG_`. */
  readonly symbol: string;
  /** May be a module. */
  readonly tristate: boolean;
  /** What it is there for: `mount /proc`. */
  readonly purpose: string;
  /** Symbols it cannot be set without, which `y` (or `m`) of it implies in any configuration kconfig made. */
  readonly under?: readonly string[];
  /** Only for kernels with this symbol: `ARM64`. */
  readonly onlyWith?: string;
}

/** One symbol the configuration lacks. */
export interface UnmetSymbol {
  /** Without `CONFIG_`. */
  readonly symbol: string;
  /** The line to add to `.config`. */
  readonly line: string;
  readonly purpose: string;
}

/** The requirements that `kconfig` does not meet, in their order; a module counts where one may. */
export function unmetRequirements(
  kconfig: Kconfig,
  requirements: readonly KconfigRequirement[],
): UnmetSymbol[] {
  const canLoad = kconfig.get("MODULES") === "y";
  return requirements
    .filter(({ symbol, tristate, onlyWith }) => {
      const value = kconfig.get(symbol);
      if (onlyWith !== undefined && kconfig.get(onlyWith) !== "y") return false;
      return value !== "y" && !(tristate && value === "m");
    })
    .map(({ symbol, tristate, purpose }) => ({
      symbol,
      purpose,
      line: `CONFIG_${symbol}=${tristate && canLoad ? "m" : "y"}`,
    }));
}
