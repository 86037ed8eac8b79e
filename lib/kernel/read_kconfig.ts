/** The configuration of a kernel, wherever it is: a build tree, a `.config` or `config-*`, or the kernel. */
import { FastboopError } from "../errors/errors.ts";
import { extractIkconfig } from "./extract_ikconfig.ts";
import { MAX_KERNEL_BYTES } from "./image_format.ts";
import { type Kconfig, parseKconfig } from "./kconfig.ts";
import { locateTree } from "./locate_tree.ts";
import type { TreeFiles } from "./tree_files.ts";
import { unpackKernel } from "./unpack_kernel.ts";

const MAX_CONFIG_BYTES = 16 << 20;
/** One line of a configuration file; a kernel has NULs long before it could have such a line. */
const CONFIG_LINE = /^(?:# )?CONFIG_[A-Za-z0-9_]+(?:=| is not set)/m;
const TEXT_BYTES = 4096;

export interface FoundKconfig {
  readonly kconfig: Kconfig;
  /** File it was read from. */
  readonly path: string;
  /** `text`: a configuration file, compressed or not. `kernel`: CONFIG_IKCONFIG of an image. */
  readonly origin: "text" | "kernel";
}

export interface ReadKconfigOptions {
  /** `KBUILD_OUTPUT`: where a source directory was built into. */
  kbuildOutput?: string;
}

/**
 * Reads the configuration at `path`: a directory is a kernel tree, a file is told by its content.
 *
 * @throws {FastboopError} `not-found`; `tree` for a directory that is no configured tree; `unsupported` for
 * a kernel without its configuration, or in a codec there is no decoder of; `corrupt`, `limit`.
 */
export async function readKconfig(
  files: TreeFiles,
  path: string,
  { kbuildOutput }: ReadKconfigOptions = {},
): Promise<FoundKconfig> {
  const facts = await files.stat(path);
  if (facts === undefined) {
    const hint = "Name a .config, a kernel image or a kernel tree";
    throw fail("not-found", path, "there is no such file or directory", hint);
  }
  if (facts.kind === "directory") {
    const { outDir } = await locateTree(files, path, {
      ...(kbuildOutput === undefined ? {} : { kbuildOutput }),
    });
    const config = `${outDir}/.config`;
    const text = await files.readText(config, MAX_CONFIG_BYTES);
    if (text !== undefined) return { kconfig: parseKconfig(text), path: config, origin: "text" };
    throw fail("tree", outDir, "there is no .config in it", "Run `make defconfig` there");
  }
  const stored = await files.read(path, MAX_KERNEL_BYTES);
  if (stored === undefined) throw fail("not-found", path, "it is no regular file");
  const bytes = unpackKernel(stored, `"${path}"`);
  if (bytes.length <= MAX_CONFIG_BYTES && !bytes.subarray(0, TEXT_BYTES).includes(0)) {
    const text = new TextDecoder().decode(bytes);
    if (CONFIG_LINE.test(text)) return { kconfig: parseKconfig(text), path, origin: "text" };
  }
  const inside = extractIkconfig(bytes, `"${path}"`);
  if (inside !== undefined) return { kconfig: parseKconfig(inside), path, origin: "kernel" };
  throw fail(
    "unsupported",
    path,
    "it is no configuration, and no kernel that holds one",
    "Distributions ship it as /boot/config-RELEASE; a kernel holds it with CONFIG_IKCONFIG=y",
  );
}

function fail(
  kind: "not-found" | "tree" | "unsupported",
  path: string,
  state: string,
  hint?: string,
): FastboopError {
  const action = `Read the kernel configuration of "${path}"`;
  return new FastboopError({ kind, action, state, ...(hint === undefined ? {} : { hint }) });
}
