/** `modules why`: the chains by which a module is among those that would be loaded. */
import { printable } from "../bytes/printable.ts";
import { FastboopError } from "../errors/errors.ts";
import { describeChain, moduleChains } from "../kernel/module_chains.ts";
import { moduleName } from "../kernel/module_name.ts";
import { describeReason } from "../kernel/module_reason.ts";
import { type Resolution, resolveModules } from "../kernel/resolve_modules.ts";
import type { CommandContext, Options } from "./command.ts";
import { resolveWords, tellAbsent } from "./modules_selection.ts";
import { openModulesSource } from "./modules_source.ts";

/** With `--from` the chains to NAME, without it those to all that NAME brings. */
export async function runModulesWhy(
  [wanted]: string[],
  options: Options,
  context: CommandContext,
): Promise<number> {
  await using source = await openModulesSource(options, context);
  const index = await source.index();
  const from = options["from"] as string[] | undefined ?? [];
  const resolution = await resolveWords(
    index,
    from.length > 0 ? from : [wanted!],
    options,
    context,
  );
  const targets = from.length > 0 ? targetsOf(wanted!, resolution) : resolution.modules
    .map(({ name }) => name);
  if (from.length > 0) tellAbsent(resolution, context);
  const found = targets.map((name) => ({ name, chains: moduleChains(resolution, name) }));
  const builtin = resolution.builtin.filter(({ word }) => word === wanted);
  if (options["json"] === true) {
    const modules = found.map(({ name, chains }) => ({
      name,
      chains: chains.map((chain) =>
        chain.map((step) => ({ ...step, text: describeReason(step.reason) }))
      ),
    }));
    console.log(JSON.stringify({ modules, builtin }, undefined, 2));
  } else {
    for (const { chains } of found) {
      for (const chain of chains) console.log(printable(describeChain(chain)));
    }
    for (const { word, reason } of builtin) {
      console.log(printable(`${word} (${describeReason(reason)}): built into the kernel`));
    }
  }
  if (found.length > 0 || builtin.length > 0) return 0;
  throw new FastboopError({
    kind: "not-found",
    action: `Find out why "${wanted}" is loaded`,
    state: `nothing brings it: ${from.join(", ")} need ${resolution.modules.length} others`,
    hint: "See all of them with `modules resolve`",
  });

  /** The modules of the resolution that the word means. */
  function targetsOf(word: string, { modules }: Resolution): string[] {
    const meant = new Set(
      resolveModules(index, [{ word }]).modules
        .filter(({ reasons }) => reasons.some(({ kind }) => kind === "requested"))
        .map(({ name }) => name),
    ).add(moduleName(word));
    return modules.map(({ name }) => name).filter((name) => meant.has(name));
  }
}
