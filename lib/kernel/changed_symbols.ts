import type { Kconfig } from "./kconfig.ts";

/**
 * Symbols whose value differs between the configuration and the one that was built (auto.conf), as
 * `CONFIG_X=m (built: n)`.
 */
export function changedSymbols(configured: Kconfig, built: Kconfig): string[] {
  const changed: string[] = [];
  for (const symbol of new Set([...configured.keys(), ...built.keys()])) {
    const now = configured.get(symbol) ?? "n";
    const then = built.get(symbol) ?? "n";
    if (now !== then) changed.push(`CONFIG_${symbol}=${now} (built: ${then})`);
  }
  return changed.sort();
}
