/** Why one module is among those to load, as chains from what was asked for. */
import { describeReason, type ModuleReason } from "./module_reason.ts";
import type { Resolution } from "./resolve_modules.ts";

/** One step: a module, and why it is there. The first of a chain was requested. */
export interface ChainStep {
  readonly name: string;
  readonly reason: ModuleReason;
}

const MAX_CHAINS = 64;
/** Steps looked at while searching; a hostile index could have exponentially many paths. */
const MAX_STEPS = 100_000;

/** Chains that end at `name`, shortest first, at most 64, without circles; none when it is not there. */
export function moduleChains(resolution: Resolution, name: string): ChainStep[][] {
  const reasons = new Map(resolution.modules.map((module) => [module.name, module.reasons]));
  const chains: ChainStep[][] = [];
  let pending: { at: string; tail: ChainStep[] }[] = [{ at: name, tail: [] }];
  for (let steps = 0; pending.length > 0 && chains.length < MAX_CHAINS && steps < MAX_STEPS;) {
    const longer: typeof pending = [];
    for (const { at, tail } of pending) {
      for (const reason of reasons.get(at) ?? []) {
        steps++;
        const chain = [{ name: at, reason }, ...tail];
        if (reason.kind === "requested") chains.push(chain);
        else if (!chain.some((step) => step.name === reason.of)) {
          longer.push({ at: reason.of, tail: chain });
        }
      }
      if (steps > MAX_STEPS) break;
    }
    pending = longer;
  }
  return chains.slice(0, MAX_CHAINS);
}

/** `r8169 (requested) -> realtek (soft dependency (pre) of r8169)`. */
export function describeChain(chain: readonly ChainStep[]): string {
  return chain.map(({ name, reason }) => `${name} (${describeReason(reason)})`).join(" -> ");
}
