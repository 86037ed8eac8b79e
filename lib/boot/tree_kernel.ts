/** `--kernel`: the kernel and modules of a build tree, ready before a phone is looked for. */
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import { RunDirectory } from "../kernel/run_directory.ts";
import type { DeviceProfile } from "../profiles/device_profile.ts";
import { DirectoryTree } from "../sources/directory.ts";
import type { KernelSource } from "./kernel_source.ts";
import type { Rootfs } from "./open_rootfs.ts";
import {
  checkTree,
  type PreparedModules,
  prepareModules,
  type PrepareOptions,
} from "./prepare_kernel.ts";
import type { KernelTree } from "../kernel/kernel_tree.ts";
import type { TreeRequest } from "./request.ts";

/** A phone that waits already is booted with what was just seen. */
const FRESH_MS = 5000;

/**
 * Checks the tree, installs and lays out the modules. Disposal removes the run directory; when making the
 * modules failed it is kept and named, for a look.
 *
 * @throws {FastboopError} `tree` and whatever else is wrong with it.
 */
export async function treeKernel(
  request: TreeRequest,
  rootfs: Rootfs,
  profile: DeviceProfile | undefined,
  options: PrepareOptions,
): Promise<KernelSource> {
  await using stack = new AsyncDisposableStack();
  options.progress.phase("Checking the kernel tree");
  const tree = await checkTree(request, rootfs, profile, options);
  options.progress.note(
    `${tree.outDir}: ${tree.release}, ${tree.arch}, ${
      formatSize(tree.image.bytes.length)
    } kernel, ` +
      `${tree.moduleCount} modules`,
  );
  const lookedAtMs = performance.now();
  const modules = await modulesOf(tree, request, options, stack);
  stack.use(modules?.tree);
  stack.use(modules?.image);
  const held = stack.move();
  return {
    // Looked at again: for the profile's architecture and device tree, and for what make did meanwhile.
    kernelFor: async (found) => ({
      tree: await checkTree(request, rootfs, found, {
        ...options,
        known: performance.now() - lookedAtMs < FRESH_MS ? tree : undefined,
      }),
      modules,
    }),
    letGoOfKernel: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Only make needs a place to install to. */
async function modulesOf(
  tree: KernelTree,
  request: TreeRequest,
  options: PrepareOptions,
  stack: AsyncDisposableStack,
): Promise<PreparedModules | undefined> {
  if (request.modules !== "make") return await prepareModules(tree, request, options);
  const run = stack.use(await RunDirectory.create());
  try {
    return await prepareModules(tree, request, options, run.path);
  } catch (error) {
    const isStop = error instanceof FastboopError && error.kind === "cancelled";
    if (!isStop && await holdsSomething(run.path)) {
      await run.keep();
      options.progress.note(`what was installed so far is kept in ${run.path}`);
    }
    throw error;
  }
}

/** make may never have started. */
async function holdsSomething(path: string): Promise<boolean> {
  await using tree = new DirectoryTree(path);
  return (await tree.list("")).length > 0;
}
