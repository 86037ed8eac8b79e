import type { Content, Pipeline } from "../../images/pipeline/pipeline.ts";
import type { BootProfile } from "../boot_profile.ts";

/**
 * The profile with the content of every `file` leaf that declares none; each path is digested once.
 *
 * @throws {FastboopError} what `digest` throws.
 */
export async function fillContent(
  profile: BootProfile,
  digest: (path: string) => Promise<Content>,
): Promise<BootProfile> {
  const digests = new Map<string, Content>();
  const fill = async (stage: Pipeline): Promise<Pipeline> => {
    if ("source" in stage) return { ...stage, source: await fill(stage.source) };
    if (stage.kind !== "file" || stage.content !== undefined) return stage;
    const { path } = stage;
    const content = digests.get(path) ?? await digest(path);
    digests.set(path, content);
    return { ...stage, content };
  };
  const filled = async <T extends { pipeline: Pipeline }>(part: T): Promise<T> => ({
    ...part,
    pipeline: await fill(part.pipeline),
  });
  const { rootfs, kernel, dtbs } = profile;
  return {
    ...profile,
    rootfs: await filled(rootfs),
    ...(kernel === undefined ? {} : { kernel: await filled(kernel) }),
    ...(dtbs === undefined ? {} : { dtbs: await filled(dtbs) }),
  };
}
