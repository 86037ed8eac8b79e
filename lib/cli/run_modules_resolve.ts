/** `modules resolve`: names -> paths in load order on stdout. */
import { printable } from "../bytes/printable.ts";
import { describeReason, type ModuleReason } from "../kernel/module_reason.ts";
import type { CommandContext, Options } from "./command.ts";
import { resolveWords, tellAbsent } from "./modules_selection.ts";
import { openModulesSource } from "./modules_source.ts";

export async function runModulesResolve(
  words: string[],
  options: Options,
  context: CommandContext,
): Promise<number> {
  await using source = await openModulesSource(options, context);
  const index = await source.index();
  const resolution = await resolveWords(index, words, options, context);
  if (options["json"] === true) {
    const data = {
      release: source.release,
      modules: resolution.modules.map((module) => ({
        ...module,
        path: source.prefix + module.path,
        reasons: module.reasons.map(reasonJson),
      })),
      builtin: resolution.builtin.map(({ word, reason }) => ({
        word,
        reason: reasonJson(reason),
      })),
      absent: resolution.absent.map(({ word, set }) => ({ word, set })),
    };
    console.log(JSON.stringify(data, undefined, 2));
    return 0;
  }
  for (const { path } of resolution.modules) console.log(printable(source.prefix + path));
  for (const { word, reason } of resolution.builtin) {
    if (reason.kind === "requested") context.progress.note(`${word}: built into the kernel`);
  }
  tellAbsent(resolution, context);
  return 0;
}

function reasonJson(reason: ModuleReason): ModuleReason & { text: string } {
  return { ...reason, text: describeReason(reason) };
}
