/** `modules verify`: one line per problem; exit code 4 when there is one. */
import { printable } from "../bytes/printable.ts";
import { exitCode } from "../errors/exit_codes.ts";
import { verifyModules } from "../kernel/verify_modules.ts";
import type { CommandContext, Options } from "./command.ts";
import { openModulesSource } from "./modules_source.ts";

export async function runModulesVerify(
  [dir]: string[],
  options: Options,
  context: CommandContext,
): Promise<number> {
  const place = dir === undefined ? options : { ...options, modulesDir: dir };
  await using source = await openModulesSource(place, context);
  const expected = options["expectRelease"];
  const release = typeof expected === "string" ? expected : source.release;
  const problems = await verifyModules(source.tree, source.directory, release, {
    xz: source.xz,
    signal: context.signal,
    onProgress: (done, total) => context.progress.moving(`${done} of ${total} modules`),
  });
  if (options["json"] === true) {
    console.log(JSON.stringify({ release, directory: source.directory, problems }, undefined, 2));
  } else {
    for (const { path, text } of problems) console.log(printable(`${path}: ${text}`));
    context.progress.note(problems.length === 0 ? "all is well" : `${problems.length} problems`);
  }
  return problems.length === 0 ? 0 : exitCode("corrupt");
}
