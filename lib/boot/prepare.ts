/** What can be done before a phone is there: root image, kernel tree, modules. */
import { FastboopError } from "../errors/errors.ts";
import { formatSize } from "../bytes/size.ts";
import type { KernelTree } from "../kernel/kernel_tree.ts";
import { RunDirectory } from "../kernel/run_directory.ts";
import type { DeviceProfile } from "../profiles/device_profile.ts";
import { DirectoryTree } from "../sources/directory.ts";
import { openRootfs, type Rootfs } from "./open_rootfs.ts";
import {
  checkTree,
  type PreparedModules,
  prepareModules,
  type PrepareOptions,
} from "./prepare_kernel.ts";
import type { BootRequest } from "./request.ts";

export interface Prepared extends AsyncDisposable {
  readonly rootfs: Rootfs;
  readonly tree: KernelTree;
  readonly modules: PreparedModules | undefined;
}

/**
 * Opens and checks all inputs, installs and lays out the modules. Disposal closes the sources and removes
 * the run directory; when making the modules failed it is kept and named, for a look.
 *
 * @throws {FastboopError} whatever is wrong with an input, before anything is sent anywhere.
 */
export async function prepare(
  request: BootRequest,
  profile: DeviceProfile | undefined,
  options: PrepareOptions,
): Promise<Prepared> {
  await using stack = new AsyncDisposableStack();
  const rootfs = await openRootfs(request.rootfs, options.progress, options.signal);
  stack.use(rootfs.reader);
  options.progress.phase("Checking the kernel tree");
  const tree = await checkTree(request.kernel, rootfs, profile, options);
  options.progress.note(
    `${tree.outDir}: ${tree.release}, ${tree.arch}, ${
      formatSize(tree.image.bytes.length)
    } kernel, ` +
      `${tree.moduleCount} modules`,
  );
  const modules = await modulesOf(tree, request, options, stack);
  if (modules !== undefined) {
    stack.use(modules.tree);
    stack.use(modules.image);
  }
  const held = stack.move();
  return { rootfs, tree, modules, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** Only make needs a place to install to. */
async function modulesOf(
  tree: KernelTree,
  { modules }: BootRequest,
  options: PrepareOptions,
  stack: AsyncDisposableStack,
): Promise<PreparedModules | undefined> {
  if (modules !== "make") return await prepareModules(tree, options);
  const run = stack.use(await RunDirectory.create());
  try {
    return await prepareModules(tree, options, run.path);
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
