/** `modules pack`: chosen modules with their firmware and indexes -> cpio, ext4 image or directory. */
import { FastboopError } from "../errors/errors.ts";
import { runDepmod } from "../kernel/depmod/run_depmod.ts";
import type { FirmwareRoot } from "../kernel/firmware/find_firmware.ts";
import { packModules } from "../kernel/pack_modules.ts";
import { DirectoryTree } from "../sources/directory.ts";
import type { CommandContext, Options } from "./command.ts";
import { readFirmwareWords } from "./firmware_words.ts";
import { resolveWords, tellAbsent } from "./modules_selection.ts";
import { type ModulesSource, openModulesSource } from "./modules_source.ts";
import { packFormat, writePack } from "./write_pack.ts";

export async function runModulesPack(
  words: string[],
  options: Options,
  context: CommandContext,
): Promise<number> {
  const format = packFormat(options);
  const { policy, list, dir } = await readFirmwareWords(options);
  const prefix = prefixOf(options);
  await using source = await openModulesSource(options, context);
  await using stack = new AsyncDisposableStack();
  const root = policy === "none" ? undefined : await firmwareRoot(source, dir, options);
  if (root !== undefined && root.tree !== source.tree) stack.use(root.tree);
  // What is packed must have what its modules may ask for later.
  const weak = { weak: true };
  const resolution = await resolveWords(await source.index(), words, options, context, weak);
  const { xz, release, tree, directory } = source;
  const { signal, progress } = context;
  const packed = await packModules({
    tree,
    directory,
    release,
    modules: resolution.modules,
    prefix,
    firmware: { policy, list, ...(root === undefined ? {} : { root }) },
    depmod: (modules, at) => runDepmod(modules, at, { xz, signal }),
    xz,
    signal,
  });
  await writePack(packed.tree, format, context);
  tellAbsent(resolution, context);
  for (const { name, modules } of packed.missingFirmware) {
    const by = modules.length > 0 ? `named by ${modules.join(", ")}` : "named by the list";
    progress.warn(`firmware ${name} is not there, ${by}`);
  }
  progress.note(
    `${resolution.modules.length} modules of ${release}, ${packed.firmwareCount} firmware files, ` +
      `${packed.missingFirmware.length} missing`,
  );
  return 0;
}

function prefixOf(options: Options): string {
  const prefix = options["prefix"] ?? "usr/lib";
  if (prefix === "usr/lib" || prefix === "lib") return prefix;
  throw new FastboopError({
    kind: "usage",
    action: "Read --prefix",
    state: `"${prefix}" is neither usr/lib nor lib`,
  });
}

/** `--firmware-dir`, or the firmware of the root file system that the modules come from. */
async function firmwareRoot(
  { tree }: ModulesSource,
  dir: string | undefined,
  options: Options,
): Promise<Pick<FirmwareRoot, "tree" | "directory"> | undefined> {
  if (dir !== undefined) return { tree: new DirectoryTree(dir), directory: "" };
  if (typeof options["rootfs"] !== "string") return undefined;
  for (const directory of ["usr/lib/firmware", "lib/firmware"]) {
    if ((await tree.stat(directory))?.kind === "directory") return { tree, directory };
  }
  return undefined;
}
