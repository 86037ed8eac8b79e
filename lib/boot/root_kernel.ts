/**
 * A boot without `--kernel`: the root file system's own kernel, in it or on a partition beside it, with its
 * modules where they are.
 */
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import { XzPool } from "../images/xz/xz_pool.ts";
import type { Kconfig } from "../kernel/kconfig.ts";
import type { UnmetSymbol } from "../kernel/kconfig_requirement.ts";
import { readModuleIndex } from "../kernel/read_module_index.ts";
import {
  findKernelAmong,
  type KernelPlace,
  type PlacedKernel,
} from "../kernel/root_kernel/find_kernel_among.ts";
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
  const siblings = kernel === undefined ? input.rootfs.openSiblings?.(options.signal) : undefined;
  if (siblings !== undefined) stack.use(siblings);
  const trees = { modules, kernel, dtbs, siblings };
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

interface RootTrees {
  /** The root file system. */
  readonly modules: FileTree;
  /** Where a boot profile says otherwise. */
  readonly kernel: FileTree | undefined;
  readonly dtbs: FileTree | undefined;
  /** Where it does not, and there are other partitions. */
  readonly siblings: AsyncIterable<KernelPlace> | undefined;
}

const ROOT = "the root file system";

/** Where the kernel may be: what a boot profile says, or the root before all that is beside it. */
function placesOf({ modules, kernel, siblings }: RootTrees): AsyncIterable<KernelPlace> {
  return {
    async *[Symbol.asyncIterator]() {
      yield { name: ROOT, openTree: () => Promise.resolve(kernel ?? modules) };
      if (siblings !== undefined) yield* siblings;
    },
  };
}

async function prepareRoot(
  trees: RootTrees,
  xz: XzPool,
  request: BootRequest,
  input: BootInput,
  profile: DeviceProfile,
  { progress, signal }: PrepareOptions,
): Promise<PreparedKernel> {
  const kernel = await findKernelAmong(placesOf(trees), {
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
  const { dtb } = kernel;
  progress.note(
    `${placed(kernel.imagePath, kernel.place)}: ${kernel.release}, ${kernel.arch}, ${
      formatSize(kernel.image.bytes.length)
    } kernel` + (dtb === undefined ? "" : `, ${placed(dtb.path, kernel.dtbPlace)}`),
  );
  if (kernel.kconfig === undefined) {
    progress.note("its configuration is not known, so that is not checked");
  } else checkConfiguration(kernel, kernel.kconfig, input.rootfs);
  return { tree: kernel, modules: await modulesOf(trees.modules, xz, kernel, signal) };
}

function placed(path: string, place: string | undefined): string {
  return place === undefined || place === ROOT ? path : `${path} on ${place}`;
}

async function modulesOf(
  tree: FileTree,
  pool: XzPool,
  { modulesDirectory: directory }: PlacedKernel,
  signal: AbortSignal,
): Promise<PreparedModules | undefined> {
  if (directory === undefined) return undefined;
  const xz = pool.decode;
  return { tree, directory, xz, index: await readModuleIndex(tree, directory, { xz, signal }) };
}

/** What stage0 needs must be in the kernel or among modules that are there. */
function checkConfiguration(kernel: PlacedKernel, whole: Kconfig, { filesystem }: Rootfs): void {
  const kconfig = kernel.modulesDirectory === undefined ? withoutModules(whole) : whole;
  const unmet = unmetStage0Symbols(kconfig, { rootfs: filesystem, needModulesExport: false });
  if (unmet.length > 0) throw unmetError(unmet, kernel);
}

function withoutModules(kconfig: Kconfig): Kconfig {
  return new Map([...kconfig].filter(([symbol, value]) => symbol !== "MODULES" && value !== "m"));
}

function unmetError(unmet: readonly UnmetSymbol[], kernel: PlacedKernel): FastboopError {
  return new FastboopError({
    kind: "tree",
    action: `Check the root image's kernel ${kernel.release} (${
      placed(kernel.imagePath, kernel.place)
    })`,
    state: [
      "stage0 needs what it was not built with",
      ...unmet.map(({ line, purpose }) => `  ${line}  (to ${purpose})`),
    ].join("\n"),
    hint: "Pass --kernel=DIR with a kernel tree that has them",
  });
}
