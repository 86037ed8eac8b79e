/** `stage0`: the initramfs that `boot` would send; the command line that belongs to it goes to stderr. */
import { buildInitramfsOnly } from "../boot/build_image.ts";
import { loadProfiles } from "./load_profiles.ts";
import { openOutputFile } from "../sources/output_file.ts";
import { bootRequest, readEnvironment } from "./boot_words.ts";
import type { CommandContext, Options } from "./command.ts";
import { diskCacheOf } from "./disk_cache_of.ts";
import { outputPath } from "./output_path.ts";

export async function runStage0(
  words: string[],
  options: Options,
  { signal, progress }: CommandContext,
): Promise<number> {
  const request = await bootRequest(words, options);
  const path = outputPath(options);
  const env = readEnvironment();
  const profiles = await loadProfiles({ onWarning: progress.warn });
  const openDiskCache = diskCacheOf(env, progress);
  const built = await buildInitramfsOnly({
    ...{ request, profiles, env, progress, signal, openDiskCache },
  });
  await using output = openOutputFile(path);
  await output.write(built.bytes);
  output.commit();
  progress.note(`kernel command line: ${built.cmdline || "(empty)"}`);
  return 0;
}
