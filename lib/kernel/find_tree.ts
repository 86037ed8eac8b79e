/**
 * `--kernel`: finds a kernel tree and checks that all a boot needs of it is built and belongs together.
 * Everything that is missing is said at once, with the commands that build it.
 */
import { cancelled, FastboopError } from "../errors/errors.ts";
import { type Arch, ARCHES } from "./arch.ts";
import { builtModules } from "./built_modules.ts";
import { changedSymbols } from "./changed_symbols.ts";
import { findDtb } from "./find_dtb.ts";
import { findImage } from "./find_image.ts";
import { type Kconfig, parseKconfig } from "./kconfig.ts";
import { parseKernelRelease } from "./kernel_release.ts";
import type { KernelTree, TreeLocation } from "./kernel_tree.ts";
import { locateTree } from "./locate_tree.ts";
import { makeArguments } from "./make_arguments.ts";
import { type MissingPiece, missingPiecesError } from "./missing_piece.ts";
import { runMake } from "./run_make.ts";
import { toolchainOf } from "./toolchain_of.ts";
import { TreeFiles } from "./tree_files.ts";

export interface FindTreeOptions {
  /** `KBUILD_OUTPUT`, `CROSS_COMPILE`, `LLVM`, and what make itself needs (`PATH`). */
  env: Readonly<Record<string, string | undefined>>;
  /** Architecture of the device profile; another one in the tree is an error. */
  arch?: Arch;
  /** Device tree to find, as device profiles name it; arm64 only. */
  devicetreeName?: string;
  signal?: AbortSignal;
}

const MAX_CONFIG_BYTES = 16 << 20;

/**
 * The kernel tree `dir` belongs to: a source or output directory, or any folder below one.
 *
 * @throws {FastboopError} `tree` when there is none or something in it is not ready; `permission`.
 */
export async function findKernelTree(dir: string, options: FindTreeOptions): Promise<KernelTree> {
  const files = new TreeFiles();
  const location = await locateTree(files, dir, {
    ...(options.env["KBUILD_OUTPUT"] === undefined
      ? {}
      : { kbuildOutput: options.env["KBUILD_OUTPUT"] }),
  });
  const { outDir } = location;
  const kconfig = await readConfig(files, location);
  const arch = archOf(kconfig, outDir, options.arch);
  const toolchain = toolchainOf(kconfig, arch, options.env, Deno.build.arch);
  const hasOutputMakefile = await files.stat(`${outDir}/Makefile`) !== undefined;
  const makeArgs = makeArguments({ ...location, arch, toolchain, hasOutputMakefile });

  const changed = await configChange(files, outDir, kconfig, arch);
  const image = await findImage(files, outDir, arch);
  const modules = await builtModules(files, outDir, kconfig);
  const dtb = options.devicetreeName === undefined || arch !== "aarch64"
    ? undefined
    : await findDtb(files, location, options.devicetreeName);
  if (options.signal?.aborted) throw cancelled(`Use kernel tree "${outDir}"`, options.signal);
  const pieces = [changed, image, modules, dtb].filter(isMissing);
  if (pieces.length > 0 || isMissing(image) || isMissing(modules) || isMissing(dtb)) {
    throw missingPiecesError(outDir, pieces, makeArgs);
  }

  const release = await releaseOf(files, outDir, image.image.release, { makeArgs, ...options });
  if (image.image.release !== release) {
    throw new FastboopError({
      kind: "tree",
      action: `Use kernel tree "${outDir}"`,
      state: `${image.path.slice(outDir.length + 1)} is of release "${image.image.release}", ` +
        `the tree of "${release}"`,
      hint: `Build it again:\n${["make", ...makeArgs, "-j$(nproc)"].join(" ")}`,
    });
  }
  return {
    ...location,
    arch,
    toolchain,
    kconfig,
    release,
    imagePath: image.path,
    image: image.image,
    moduleCount: modules,
    ...(dtb === undefined ? {} : { dtb }),
  };
}

function isMissing(piece: unknown): piece is MissingPiece {
  return typeof piece === "object" && piece !== null && "targets" in piece;
}

async function readConfig(files: TreeFiles, location: TreeLocation): Promise<Kconfig> {
  const text = await files.readText(`${location.outDir}/.config`, MAX_CONFIG_BYTES);
  if (text !== undefined) return parseKconfig(text);
  const inSource = location.sourceDir === location.outDir;
  throw new FastboopError({
    kind: "tree",
    action: `Use kernel tree "${location.outDir}"`,
    state: "it is not configured, there is no .config",
    hint: inSource
      ? "Run `make defconfig` and build it; for a separate output directory set KBUILD_OUTPUT"
      : "Run `make defconfig` for this output directory and build it",
  });
}

function archOf(kconfig: Kconfig, outDir: string, wanted: Arch | undefined): Arch {
  const fail = (state: string, hint: string): never => {
    throw new FastboopError({ kind: "tree", action: `Use kernel tree "${outDir}"`, state, hint });
  };
  const arch = (Object.keys(ARCHES) as Arch[])
    .find((name) => kconfig.get(ARCHES[name].symbol) === "y") ??
    fail("it is configured for neither x86_64 nor arm64", "Configure it with ARCH=arm64");
  if (wanted !== undefined && wanted !== arch) {
    fail(
      `it is configured for ${arch}, the device is ${wanted}`,
      `Configure and build with ARCH=${ARCHES[wanted].make}, or set KBUILD_OUTPUT to such a build`,
    );
  }
  return arch;
}

/** A `.config` that was changed since make last took it over. */
async function configChange(
  files: TreeFiles,
  outDir: string,
  kconfig: Kconfig,
  arch: Arch,
): Promise<MissingPiece | undefined> {
  const path = `${outDir}/include/config/auto.conf`;
  const [config, built] = [await files.stat(`${outDir}/.config`), await files.stat(path)];
  if (built === undefined || config === undefined || config.mtimeMs <= built.mtimeMs) {
    return undefined;
  }
  const text = await files.readText(path, MAX_CONFIG_BYTES);
  const changed = changedSymbols(kconfig, parseKconfig(text ?? ""));
  if (changed.length === 0) return undefined;
  const rest = changed.length > 3 ? `, and ${changed.length - 3} more` : "";
  return {
    text: `configuration: changed since the last build: ${changed.slice(0, 3).join(", ")}${rest}`,
    targets: [ARCHES[arch].imageTarget, ...(kconfig.get("MODULES") === "y" ? ["modules"] : [])],
  };
}

/**
 * include/config/kernel.release is what make installs by. Where it may be old and the image says something
 * else, make is asked.
 */
async function releaseOf(
  files: TreeFiles,
  outDir: string,
  imageRelease: string | undefined,
  options: FindTreeOptions & { makeArgs: readonly string[] },
): Promise<string> {
  const path = `${outDir}/include/config/kernel.release`;
  const [config, facts] = [await files.stat(`${outDir}/.config`), await files.stat(path)];
  if (facts?.kind === "file") {
    const text = await files.readText(path, 4096) ?? "";
    const isFresh = facts.mtimeMs >= (config?.mtimeMs ?? 0);
    if (isFresh || text.trim() === imageRelease) return parseKernelRelease(text, `"${path}"`);
  }
  try {
    const printed = await runMake(["-s", ...options.makeArgs, "kernelrelease"], {
      action: "Ask make for the kernel release",
      env: options.env,
      deadlineMs: 60_000,
      ...(options.signal ? { signal: options.signal } : {}),
    });
    return parseKernelRelease(printed, "`make kernelrelease`");
  } catch (cause) {
    if (!(cause instanceof FastboopError) || cause.kind !== "permission") throw cause;
    throw new FastboopError({
      kind: "tree",
      action: `Use kernel tree "${outDir}"`,
      state:
        `include/config/kernel.release is ${
          facts ? "older than .config" : "not there"
        }, and make ` +
        "may not be asked",
      hint: `Build the tree again, or allow it: --allow-run=make`,
      cause,
    });
  }
}
