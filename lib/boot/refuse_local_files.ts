/** A boot profile from the network may say what a phone is sent, but not out of this machine's files. */
import { printable } from "../bytes/printable.ts";
import { FastboopError } from "../errors/errors.ts";
import { casyncChunkStoreOf } from "../images/casync/casync_chunk_store_of.ts";
import type { Leaf, Pipeline } from "../images/pipeline/pipeline.ts";
import { type BootProfile, pipelinesOf } from "../profiles/boot_profile.ts";
import { isUrl } from "./is_url.ts";

/** @throws {FastboopError} `permission` when a pipeline of the profile begins with a file of this machine. */
export function refuseLocalFiles(profile: BootProfile): void {
  const path = pipelinesOf(profile).flatMap(namesOf).find((name) => !isUrl(name));
  if (path !== undefined) refuseLocalFile(path);
}

/** What the leaf opens, in the words it is opened with: also an `http` leaf may hold a file: URL. */
function namesOf(pipeline: Pipeline): string[] {
  const leaf = leafOf(pipeline);
  if (leaf.kind === "http") return [leaf.url];
  if (leaf.kind === "file") return [leaf.path];
  return [leaf.index, casyncChunkStoreOf(leaf.index, leaf.chunkStore)];
}

/** @throws {FastboopError} `permission`, always. */
export function refuseLocalFile(path: string): never {
  throw new FastboopError({
    kind: "permission",
    action: "Use a boot profile from the network",
    state: `it names "${printable(path)}", a file of this machine`,
    hint: "Fetch the profile, read it with fastboop bootprofile show and give its path",
  });
}

function leafOf(pipeline: Pipeline): Leaf {
  return "source" in pipeline ? leafOf(pipeline.source) : pipeline;
}
