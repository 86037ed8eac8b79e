/** `stage0`: the initramfs that `boot` would send; the command line that belongs to it goes to stderr. */
import { buildInitramfsOnly } from "../boot/build_image.ts";
import { loadProfiles } from "./load_profiles.ts";
import { profileById } from "../profiles/select.ts";
import { openOutputFile } from "../sources/output_file.ts";
import { bootRequest, readEnvironment } from "./boot_words.ts";
import type { CommandContext, Options } from "./command.ts";
import { outputPath } from "./output_path.ts";

export async function runStage0(
  words: string[],
  options: Options,
  { signal, progress }: CommandContext,
): Promise<number> {
  const request = await bootRequest(words, options);
  const path = outputPath(options);
  const all = await loadProfiles({ onWarning: progress.warn });
  const profile = request.deviceProfile === undefined
    ? undefined
    : profileById(all, request.deviceProfile);
  const built = await buildInitramfsOnly(request, profile, {
    env: readEnvironment(),
    progress,
    signal,
  });
  await using output = openOutputFile(path);
  await output.write(built.bytes);
  output.commit();
  progress.note(`kernel command line: ${built.cmdline || "(empty)"}`);
  return 0;
}
