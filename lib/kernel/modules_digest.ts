/** One digest for all modules of a build: the input of which the modules image is made. */
import { createHash } from "node:crypto";
import { cancelled, FastboopError } from "../errors/errors.ts";
import type { DigestCache } from "./digest_cache.ts";
import { MAX_MODULE_BYTES } from "./inflate_module.ts";
import { moduleStems } from "./module_stems.ts";
import type { FileFacts, TreeFiles } from "./tree_files.ts";

export interface ModulesDigestOptions {
  cache: DigestCache;
  /** Now, in milliseconds since 1970; only the cache goes by it. */
  nowMs: () => number;
  /** Takes modules.order apart; of a directory outside of the tree it names modules in another way. */
  stemsOf?: (order: string) => readonly string[];
  signal?: AbortSignal | undefined;
}

/** Besides the modules: what modules_install copies. */
const LISTS = ["modules.builtin", "modules.builtin.modinfo"];
const MAX_ORDER_BYTES = 8 << 20;
/** Files read at once; each may be large. */
const PARALLEL = 4;

/**
 * SHA-256 over the names of modules.order, in their order, each with the SHA-256 of its `.ko`, and over
 * the lists of what is built in. Undefined for a tree without modules.
 *
 * @throws {FastboopError} `tree` when one is missing or changes while it is read, `permission`, `limit`.
 */
export async function modulesDigest(
  files: TreeFiles,
  outDir: string,
  options: ModulesDigestOptions,
): Promise<string | undefined> {
  const order = await files.readText(`${outDir}/modules.order`, MAX_ORDER_BYTES);
  const { stemsOf = moduleStems } = options;
  const modules = stemsOf(order ?? "").map((stem) => `${stem}.ko`);
  if (modules.length === 0) return undefined;
  const names = [...modules, ...LISTS];
  const digests: string[] = new Array(names.length);
  let next = 0;
  const work = async () => {
    for (let i = next++; i < names.length; i = next++) {
      if (options.signal?.aborted) {
        throw cancelled(`Hash the modules of "${outDir}"`, options.signal);
      }
      digests[i] = await digestOf(files, `${outDir}/${names[i]}`, i < modules.length, options);
    }
  };
  const stopped = () => next = names.length;
  await Promise.all(Array.from({ length: PARALLEL }, () => work().finally(stopped)));
  const whole = createHash("sha256");
  for (const [i, name] of names.entries()) whole.update(`${digests[i]} ${name}\n`);
  return whole.digest("hex");
}

async function digestOf(
  files: TreeFiles,
  path: string,
  isNeeded: boolean,
  { cache, nowMs }: ModulesDigestOptions,
): Promise<string> {
  const before = files.statNow(path);
  if (before?.kind !== "file") {
    if (isNeeded) throw unfinished(path, "it is not there");
    return "-";
  }
  const known = cache.get(path, before);
  if (known !== undefined) return known;
  const readAtMs = nowMs();
  const bytes = await files.read(path, MAX_MODULE_BYTES);
  if (bytes === undefined || !isSame(before, files.statNow(path))) {
    throw unfinished(path, "it changed while it was read");
  }
  const digest = createHash("sha256").update(bytes).digest("hex");
  cache.set(path, before, digest, readAtMs);
  return digest;
}

function isSame(before: FileFacts, after: FileFacts | undefined): boolean {
  return after !== undefined && before.sizeBytes === after.sizeBytes &&
    before.mtimeMs === after.mtimeMs;
}

function unfinished(path: string, state: string): FastboopError {
  return new FastboopError({
    kind: "tree",
    action: `Read module "${path}"`,
    state,
    hint: "Wait until make has finished",
  });
}
