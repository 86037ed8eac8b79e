/** Whether a partition holds a system that can be booted: a /usr and an init, in one look. */
import { FastboopError } from "../errors/errors.ts";
import type { ContainerOptions } from "../images/container.ts";
import type { RootTraits } from "../images/unwrap.ts";
import type { FileTree } from "../sources/file_tree.ts";
import type { Reader } from "../sources/reader.ts";
import { openTree } from "./open_tree.ts";

/** What stage0 starts, stage0/src/handover.c. */
const INITS = [
  ...["usr/lib/systemd/systemd", "lib/systemd/systemd"],
  ...["sbin/init", "etc/init", "bin/init"],
];
/** A partition that cannot be read here may be mounted by the phone's kernel all the same. */
const OF_THE_IMAGE = new Set(["corrupt", "unsupported", "limit", "not-found"]);

/**
 * Looks at the files of a file system; the Reader stays open. Nothing is told of one that cannot be read.
 *
 * @throws {FastboopError} `source`, `cancelled`.
 */
export async function probeRoot(
  reader: Reader,
  filesystem: "erofs" | "ext4",
  options: ContainerOptions,
): Promise<RootTraits> {
  try {
    // The tree would close the reader along with itself, and holds nothing else.
    const tree = await openTree(filesystem, reader, options);
    if (tree === undefined) return {};
    return { hasUsr: (await tree.stat("usr")) !== undefined, hasInit: await holdsInit(tree) };
  } catch (error) {
    if (error instanceof FastboopError && OF_THE_IMAGE.has(error.kind)) return {};
    throw error;
  }
}

async function holdsInit(tree: FileTree): Promise<boolean> {
  for (const path of INITS) {
    try {
      // Links of a whole system lead from directory to directory, so it is opened and not looked up.
      await using _file = await tree.open(path);
      return true;
    } catch (error) {
      const isAbsent = error instanceof FastboopError && OF_THE_IMAGE.has(error.kind);
      if (!isAbsent) throw error;
    }
  }
  return false;
}
