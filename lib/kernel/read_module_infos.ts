/** The `.modinfo` of chosen modules, checked to be of one release. */
import { cancelled, FastboopError } from "../errors/errors.ts";
import type { FileTree } from "../sources/file_tree.ts";
import { inflateModule, MAX_MODULE_BYTES, type XzDecoder } from "./inflate_module.ts";
import { type Modinfo, parseModinfo } from "./modinfo.ts";
import { readTreeFile } from "./read_tree_file.ts";

/** Modules read at once: the xz decoder has several workers. */
const PARALLEL = 8;

/**
 * Modinfo by path of `paths` below `directory`.
 *
 * @throws {FastboopError} `tree` when one is of another release; `corrupt`, `limit`, `unsupported`.
 */
export async function readModuleInfos(
  tree: FileTree,
  directory: string,
  paths: readonly string[],
  options: { release: string; xz?: XzDecoder; signal?: AbortSignal },
): Promise<Map<string, Modinfo>> {
  const infos = new Map<string, Modinfo>();
  const read = async (path: string): Promise<void> => {
    const stored = await readTreeFile(tree, `${directory}/${path}`, MAX_MODULE_BYTES, options);
    const info = parseModinfo(await inflateModule(stored, path, options.xz), path);
    const release = info.vermagic?.split(" ")[0] ?? "";
    if (release !== options.release) {
      throw new FastboopError({
        kind: "tree",
        action: `Check module "${path}"`,
        state: `it is built for release "${release}", the directory is "${options.release}"`,
        hint: "Install the modules of one build into a directory named after its release",
      });
    }
    infos.set(path, info);
  };
  for (let at = 0; at < paths.length; at += PARALLEL) {
    if (options.signal?.aborted) throw cancelled("Read the modules", options.signal);
    const results = await Promise.allSettled(paths.slice(at, at + PARALLEL).map(read));
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }
  return infos;
}
