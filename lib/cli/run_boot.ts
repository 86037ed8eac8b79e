/** `boot`: a phone that is served until Ctrl-C, or with `-o` the boot image alone. */
import { boot } from "../boot/run.ts";
import { buildBootImage } from "../boot/build_image.ts";
import { loadProfiles } from "./load_profiles.ts";
import { profileById } from "../profiles/select.ts";
import { openOutputFile } from "../sources/output_file.ts";
import { bootRequest, dropRun, phoneRequest, readEnvironment } from "./boot_words.ts";
import type { CommandContext, Options } from "./command.ts";
import { outputPath } from "./output_path.ts";

export async function runBoot(
  words: string[],
  options: Options,
  { signal, progress }: CommandContext,
): Promise<number> {
  const request = await bootRequest(words, options);
  const env = readEnvironment();
  const all = await loadProfiles({ onWarning: progress.warn });
  const chosen = request.deviceProfile === undefined
    ? undefined
    : profileById(all, request.deviceProfile);
  if (options["output"] !== undefined) {
    const path = outputPath(options);
    const { parts } = await buildBootImage(request, chosen, { env, progress, signal });
    await using output = openOutputFile(path);
    for (const part of parts) await output.write(part);
    output.commit();
    return 0;
  }
  const phone = phoneRequest(options);
  const profiles = chosen === undefined ? all : [chosen];
  if (options["watch"] === true) {
    const { bootLoop } = await import("../boot/boot_loop.ts");
    return await bootLoop({ request, phone, profiles, env, progress, signal });
  }
  return await boot({ request, phone, profiles, env, progress, signal, onPrepared: dropRun });
}
