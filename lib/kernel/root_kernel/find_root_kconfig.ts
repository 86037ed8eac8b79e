/** The configuration of a root file system's kernel: a file beside it, or the copy inside the image. */
import { FastboopError } from "../../errors/errors.ts";
import type { FileTree } from "../../sources/file_tree.ts";
import { extractIkconfig } from "../extract_ikconfig.ts";
import { followPath } from "../firmware/follow_path.ts";
import type { KernelImage } from "../image_format.ts";
import { type Kconfig, parseKconfig } from "../kconfig.ts";
import { readTreeFile } from "../read_tree_file.ts";
import { unpackKernel } from "../unpack_kernel.ts";

export interface RootKconfigOptions {
  release: string;
  image: KernelImage;
  imagePath: string;
  modulesDirectory: string | undefined;
  signal?: AbortSignal | undefined;
}

const MAX_CONFIG_BYTES = 16 << 20;

/** Nothing but a check hangs on the copy inside: an image that cannot be unpacked here may boot. */
const OF_THE_IMAGE = new Set(["corrupt", "unsupported", "limit"]);

/**
 * Reads the first of the release's configuration files in `trees`, else IKCONFIG. Undefined when the kernel
 * keeps it to itself, or cannot be unpacked.
 *
 * @throws {FastboopError} `corrupt` when a file is broken, `limit`, `source`, `cancelled`.
 */
export async function findRootKconfig(
  trees: readonly FileTree[],
  { release, image, imagePath, modulesDirectory, signal }: RootKconfigOptions,
): Promise<Kconfig | undefined> {
  const paths = [
    ...(modulesDirectory === undefined ? [] : [`${modulesDirectory}/config`]),
    `usr/lib/modules/${release}/config`,
    `boot/config-${release}`,
    `config-${release}`,
    `usr/lib/ostree-boot/config-${release}`,
    `usr/src/linux-headers-${release}/.config`,
  ];
  for (const tree of trees) {
    for (const path of paths) {
      const at = await followPath(tree, path);
      if (at?.entry.kind !== "file") continue;
      const { entry } = at;
      const options = { entry, ...(signal === undefined ? {} : { signal }) };
      const bytes = await readTreeFile(tree, at.path, MAX_CONFIG_BYTES, options);
      return parseKconfig(new TextDecoder().decode(bytes));
    }
  }
  const text = insideOf(image, `"${imagePath}"`);
  return text === undefined ? undefined : parseKconfig(text);
}

function insideOf({ bytes }: KernelImage, what: string): string | undefined {
  try {
    return extractIkconfig(unpackKernel(bytes, what), what);
  } catch (error) {
    if (error instanceof FastboopError && OF_THE_IMAGE.has(error.kind)) return undefined;
    throw error;
  }
}
