/** A boot without `--kernel`: the root file system's own kernel, with its modules where they are. */
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import { XzPool } from "../images/xz/xz_pool.ts";
import type { BootKernel } from "../kernel/boot_kernel.ts";
import type { Kconfig } from "../kernel/kconfig.ts";
import type { UnmetSymbol } from "../kernel/kconfig_requirement.ts";
import { readModuleIndex } from "../kernel/read_module_index.ts";
import { findRootKernel, type RootKernel } from "../kernel/root_kernel/find_root_kernel.ts";
import { unmetStage0Symbols } from "../kernel/unmet_stage0_symbols.ts";
import type { DeviceProfile } from "../profiles/device_profile.ts";
import type { FileTree } from "../sources/file_tree.ts";
import type { KernelSource, PreparedKernel } from "./kernel_source.ts";
import type { BootInput } from "./open_input.ts";
import type { Rootfs } from "./open_rootfs.ts";
import type { PreparedModules, PrepareOptions } from "./prepare_kernel.ts";
import type { BootRequest } from "./request.ts";

/**
 * Opens the root file system, and looks for the kernel at once when the profile is known. It is read through
 * the Reader of export 0, which stays open.
 *
 * @throws {FastboopError} `not-found` and `tree` when there is no kernel that fits, what opening throws.
 */
export async function rootKernel(
  request: BootRequest,
  input: BootInput,
  profile: DeviceProfile | undefined,
  options: PrepareOptions,
): Promise<KernelSource> {
  options.progress.phase("Looking for a kernel in the root image");
  await using stack = new AsyncDisposableStack();
  const modules = stack.use(await input.rootfs.openTree());
  const kernel = input.kernel && stack.use(await input.kernel.openTree());
  const dtbs = input.dtbs && stack.use(await input.dtbs.openTree());
  const xz = stack.use(new XzPool());
  const trees = { modules, kernel: kernel ?? modules, dtbs };
  const find = (wanted: DeviceProfile) => prepareRoot(trees, xz, request, input, wanted, options);
  let early = profile && { profile, kernel: await find(profile) };
  const held = stack.move();
  return {
    kernelFor: async (wanted) => early?.profile === wanted ? early.kernel : await find(wanted),
    letGoOfKernel: () => {
      early = undefined;
      return held.disposeAsync();
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Where a boot profile does not say otherwise, all are the root file system. */
interface RootTrees {
  readonly modules: FileTree;
  readonly kernel: FileTree;
  readonly dtbs: FileTree | undefined;
}

async function prepareRoot(
  trees: RootTrees,
  xz: XzPool,
  request: BootRequest,
  input: BootInput,
  profile: DeviceProfile,
  { progress, signal }: PrepareOptions,
): Promise<PreparedKernel> {
  const kernel = await findRootKernel(trees.kernel, {
    arch: profile.arch,
    modulesTree: trees.modules,
    kernelPath: input.kernel?.path,
    dtbsTree: trees.dtbs,
    dtbsPath: input.dtbs?.path,
    release: request.release,
    // The user's own device tree replaces it.
    devicetreeName: request.dtb === undefined ? profile.devicetreeName : undefined,
    signal,
  });
  for (const text of kernel.passedOver) progress.note(`passed over: ${text}`);
  progress.note(
    `${kernel.imagePath}: ${kernel.release}, ${kernel.arch}, ${
      formatSize(kernel.image.bytes.length)
    } kernel` + (kernel.dtb === undefined ? "" : `, ${kernel.dtb.path}`),
  );
  if (kernel.kconfig === undefined) {
    progress.note("its configuration is not known, so that is not checked");
  } else checkConfiguration(kernel, kernel.kconfig, input.rootfs);
  return { tree: kernel, modules: await modulesOf(trees.modules, xz, kernel, signal) };
}

async function modulesOf(
  tree: FileTree,
  pool: XzPool,
  { modulesDirectory: directory }: RootKernel,
  signal: AbortSignal,
): Promise<PreparedModules | undefined> {
  if (directory === undefined) return undefined;
  const xz = pool.decode;
  return { tree, directory, xz, index: await readModuleIndex(tree, directory, { xz, signal }) };
}

/** What stage0 needs must be in the kernel or among modules that are there. */
function checkConfiguration(kernel: RootKernel, whole: Kconfig, { filesystem }: Rootfs): void {
  const kconfig = kernel.modulesDirectory === undefined ? withoutModules(whole) : whole;
  const unmet = unmetStage0Symbols(kconfig, { rootfs: filesystem, needModulesExport: false });
  if (unmet.length > 0) throw unmetError(unmet, kernel);
}

function withoutModules(kconfig: Kconfig): Kconfig {
  return new Map([...kconfig].filter(([symbol, value]) => symbol !== "MODULES" && value !== "m"));
}

function unmetError(unmet: readonly UnmetSymbol[], kernel: BootKernel): FastboopError {
  return new FastboopError({
    kind: "tree",
    action: `Check the root image's kernel ${kernel.release} (${kernel.imagePath})`,
    state: [
      "stage0 needs what it was not built with",
      ...unmet.map(({ line, purpose }) => `  ${line}  (to ${purpose})`),
    ].join("\n"),
    hint: "Pass --kernel=DIR with a kernel tree that has them",
  });
}
