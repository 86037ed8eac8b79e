/** `boot`: a phone that is served until Ctrl-C, or with `-o` the boot image alone. */
import { boot } from "../boot/run.ts";
import { buildBootImage } from "../boot/build_image.ts";
import { loadProfiles } from "./load_profiles.ts";
import { openOutputFile } from "../sources/output_file.ts";
import { bootRequest, dropRun, phoneRequest, readEnvironment, treeRequest } from "./boot_words.ts";
import type { CommandContext, Options } from "./command.ts";
import { diskCacheOf } from "./disk_cache_of.ts";
import { outputPath } from "./output_path.ts";

export async function runBoot(
  words: string[],
  options: Options,
  { signal, progress }: CommandContext,
): Promise<number> {
  const request = await bootRequest(words, options);
  const env = readEnvironment();
  const profiles = await loadProfiles({ onWarning: progress.warn });
  const openDiskCache = diskCacheOf(env, progress);
  const inputs = { request, profiles, env, progress, signal, openDiskCache };
  if (options["output"] !== undefined) {
    const path = outputPath(options);
    const { parts } = await buildBootImage(inputs);
    await using output = openOutputFile(path);
    for (const part of parts) await output.write(part);
    output.commit();
    return 0;
  }
  const phone = phoneRequest(options);
  if (options["watch"] === true) {
    const { bootLoop } = await import("../boot/boot_loop.ts");
    return await bootLoop({ ...inputs, request: treeRequest(request), phone });
  }
  return await boot({ ...inputs, phone, onPrepared: dropRun });
}
