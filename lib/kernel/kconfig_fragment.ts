import type { Kconfig } from "./kconfig.ts";
import type { KconfigRequirement, UnmetSymbol } from "./kconfig_requirement.ts";

/**
 * The unmet symbols as a fragment for scripts/kconfig/merge_config.sh: first the menus and subsystems
 * without which kconfig would drop them again, then the symbols, each line once. Empty when none is unmet.
 */
export function kconfigFragment(
  kconfig: Kconfig,
  requirements: readonly KconfigRequirement[],
  unmet: readonly UnmetSymbol[],
): string {
  if (unmet.length === 0) return "";
  const wanted = new Map(unmet.map(({ symbol, line, purpose }) => [symbol, { line, purpose }]));
  const lines = new Map<string, string>();
  const above = requirements.filter(({ symbol }) => wanted.has(symbol))
    .flatMap(({ under }) => under ?? []);
  for (const symbol of above) {
    const isSet = kconfig.get(symbol) === "y" || kconfig.get(symbol) === "m";
    if (!isSet && !wanted.has(symbol)) lines.set(symbol, `CONFIG_${symbol}=y`);
  }
  for (const [symbol, { line, purpose }] of wanted) lines.set(symbol, `# to ${purpose}\n${line}`);
  return [...lines.values()].join("\n") + "\n";
}
