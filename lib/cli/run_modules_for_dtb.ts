/** `modules for-dtb`: a device tree and a kernel's modules -> those that bring up the board's USB. */
import { printable } from "../bytes/printable.ts";
import { MAX_FDT_BYTES, parseFdt } from "../devicetree/parse_fdt.ts";
import { FastboopError } from "../errors/errors.ts";
import {
  type DtReason,
  type DtSelection,
  selectDtModules,
} from "../kernel/dt_modules/select_dt_modules.ts";
import { findKernelTree } from "../kernel/find_tree.ts";
import { MAX_KERNEL_BYTES } from "../kernel/image_format.ts";
import { moduleClosure, type ModuleToLoad } from "../kernel/module_closure.ts";
import type { ModuleIndex } from "../kernel/module_index.ts";
import { unpackKernel } from "../kernel/unpack_kernel.ts";
import { openFile } from "../sources/file.ts";
import { readEnvironment } from "./boot_words.ts";
import type { CommandContext, Options } from "./command.ts";
import { openModulesSource } from "./modules_source.ts";

export async function runModulesForDtb(
  [path]: string[],
  options: Options,
  context: CommandContext,
): Promise<number> {
  const fdt = parseFdt(await readWhole(path!, MAX_FDT_BYTES), `"${path}"`);
  await using source = await openModulesSource(options, context);
  const index = await source.index();
  const image = await kernelImage(options, context.signal);
  const selection = selectDtModules(fdt, index, image === undefined ? {} : { image });
  if (selection.controllers.length === 0) {
    throw new FastboopError({
      kind: "unsupported",
      action: `Find the USB device controller in "${path}"`,
      state: "none is enabled that may be a USB device (dr_mode peripheral or otg)",
      hint: "Set dr_mode and status in the board's device tree, or with an overlay",
    });
  }
  const load = moduleClosure(index, selection.modules.map(({ name }) => name));
  if (options["json"] === true) printJson(selection, load, source.prefix, index);
  else printPaths(selection, load, source.prefix, context);
  return 0;
}

/** The kernel the modules belong to: that of `--image`, or the build tree's own. */
async function kernelImage(
  { image, kernel }: Options,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  if (typeof image === "string") {
    return unpackKernel(await readWhole(image, MAX_KERNEL_BYTES), `"${image}"`);
  }
  if (typeof kernel !== "string") return undefined;
  const tree = await findKernelTree(kernel, { env: readEnvironment(), signal });
  return tree.arch === "aarch64" ? tree.image.bytes : unpackKernel(tree.image.bytes, "of the tree");
}

async function readWhole(path: string, limitBytes: number): Promise<Uint8Array> {
  await using file = await openFile(path);
  if (file.sizeBytes > limitBytes) {
    const state = `it has ${file.sizeBytes} bytes, the limit is ${limitBytes}`;
    throw new FastboopError({ kind: "limit", action: `Read "${path}"`, state });
  }
  const bytes = new Uint8Array(file.sizeBytes);
  await file.readAt(0, bytes);
  return bytes;
}

function printPaths(
  selection: DtSelection,
  load: readonly ModuleToLoad[],
  prefix: string,
  { progress }: CommandContext,
): void {
  for (const { path } of load) console.log(printable(prefix + path));
  for (const path of selection.controllers) progress.note(`USB device controller: ${path}`);
  const tell = (reasons: readonly DtReason[], text: string) => {
    for (const { path, compatible, by, from } of reasons) {
      progress.note(`${text}: ${compatible.join(", ")} (${path}, ${by} of ${from ?? "the board"})`);
    }
  };
  tell(selection.missing, "no driver, neither module nor built in");
  tell(selection.unknown, "no module: built in, or not built");
}

function printJson(
  { controllers, modules, builtin, missing, unknown }: DtSelection,
  load: readonly ModuleToLoad[],
  prefix: string,
  index: ModuleIndex,
): void {
  const neededBy = (name: string) =>
    modules.filter((module) => index.modules.get(module.name)!.dependencies.includes(name))
      .map((module) => module.name);
  const reasons = new Map(modules.map((module) => [module.name, module.reasons]));
  const data = {
    controllers,
    modules: load.map(({ name, path, optional }) => ({
      name,
      path: prefix + path,
      optional,
      reasons: reasons.get(name) ?? [],
      neededBy: neededBy(name),
    })),
    builtin,
    missing,
    unknown,
  };
  console.log(JSON.stringify(data, undefined, 2));
}
