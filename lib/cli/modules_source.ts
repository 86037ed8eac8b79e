/** `--modules-dir`, `--kernel` or `--rootfs` -> the modules of one release. */
import { closingWith, ImageSources } from "../boot/image_sources.ts";
import { FastboopError } from "../errors/errors.ts";
import { XzPool } from "../images/xz/xz_pool.ts";
import { findKernelTree } from "../kernel/find_tree.ts";
import { findModulesDirectory } from "../kernel/find_modules_directory.ts";
import type { XzDecoder } from "../kernel/inflate_module.ts";
import type { ModuleIndex } from "../kernel/module_index.ts";
import { prepareNativeModules } from "../kernel/native_modules/prepare_native_modules.ts";
import { readModuleIndex } from "../kernel/read_module_index.ts";
import { TreeFiles } from "../kernel/tree_files.ts";
import { DirectoryTree } from "../sources/directory.ts";
import type { FileTree } from "../sources/file_tree.ts";
import { readEnvironment } from "./boot_words.ts";
import type { CommandContext, Options } from "./command.ts";

/** The modules a verb works on. */
export interface ModulesSource extends AsyncDisposable {
  readonly tree: FileTree;
  /** The release's directory in `tree`. */
  readonly directory: string;
  /** Last part of `directory`. */
  readonly release: string;
  /** Goes before a module's path where it is printed. */
  readonly prefix: string;
  readonly xz: XzDecoder;
  readonly index: () => Promise<ModuleIndex>;
}

/** @throws {FastboopError} `usage` unless exactly one is given; what opening it throws. */
export async function openModulesSource(
  options: Options,
  context: CommandContext,
): Promise<ModulesSource> {
  const { modulesDir, kernel, rootfs } = options;
  const given = [modulesDir, kernel, rootfs].filter((value) => typeof value === "string");
  if (given.length !== 1) {
    throw new FastboopError({
      kind: "usage",
      action: "Find the modules",
      state: given.length === 0 ? "nothing says where they are" : "several places are given",
      hint: "Pass one of --modules-dir DIR, --kernel=TREE and --rootfs IMAGE",
    });
  }
  const release = typeof options["release"] === "string" ? options["release"] : undefined;
  await using stack = new AsyncDisposableStack();
  const pool = stack.use(new XzPool());
  const place = typeof modulesDir === "string"
    ? openDirectory(modulesDir)
    : typeof kernel === "string"
    ? await openKernel(kernel, context)
    : await openRootfs(rootfs as string, release, context);
  stack.use(place.tree);
  const { tree, directory, prefix } = place;
  const { signal } = context;
  const held = stack.move();
  return {
    tree,
    directory,
    release: directory.slice(directory.lastIndexOf("/") + 1),
    prefix,
    xz: pool.decode,
    index: () => readModuleIndex(tree, directory, { xz: pool.decode, signal }),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

type Place = Pick<ModulesSource, "tree" | "directory" | "prefix">;

function openDirectory(path: string): Place {
  const { rootPath } = new DirectoryTree(path);
  const slash = rootPath.lastIndexOf("/");
  const tree = new DirectoryTree(rootPath.slice(0, slash) || "/");
  return { tree, directory: rootPath.slice(slash + 1), prefix: `${rootPath}/` };
}

async function openKernel(dir: string, { signal, progress }: CommandContext): Promise<Place> {
  const kernel = await findKernelTree(dir, { env: readEnvironment(), signal });
  const { tree, directory, warnings } = await prepareNativeModules(kernel, {
    signal,
  });
  for (const warning of warnings) progress.warn(warning);
  return { tree, directory, prefix: "" };
}

async function openRootfs(
  path: string,
  release: string | undefined,
  context: CommandContext,
): Promise<Place> {
  const isDirectory = (await new TreeFiles().stat(path))?.kind === "directory";
  const tree = isDirectory ? new DirectoryTree(path) : await openImage(path, context);
  try {
    const directory = await findModulesDirectory(tree, release);
    const root = isDirectory ? (tree as DirectoryTree).rootPath : "";
    return { tree, directory, prefix: `${root}/${directory}/` };
  } catch (error) {
    await tree[Symbol.asyncDispose]();
    throw error;
  }
}

async function openImage(
  path: string,
  { signal, progress }: CommandContext,
): Promise<FileTree> {
  await using stack = new AsyncDisposableStack();
  const sources = stack.use(new ImageSources({ env: readEnvironment(), progress, signal }));
  const reader = stack.use(await sources.open(path));
  const tree = stack.use(await sources.openTree(reader));
  const held = stack.move();
  return closingWith(tree, { [Symbol.asyncDispose]: () => held.disposeAsync() });
}
