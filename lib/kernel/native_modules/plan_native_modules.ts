/**
 * Which files `make modules_install INSTALL_MOD_STRIP=1` would install, from where in the build, and how
 * large they come out. Nothing is run and nothing is copied; of each module its headers are read.
 *
 * Source: scripts/Makefile.modinst.
 */
import { cancelled, FastboopError } from "../../errors/errors.ts";
import { printable } from "../../bytes/printable.ts";
import { MAX_MODULE_BYTES } from "../inflate_module.ts";
import type { KernelTree } from "../kernel_tree.ts";
import { parseModinfo } from "../modinfo.ts";
import { type PinnedFile, TreeFiles } from "../tree_files.ts";
import { parseModulesOrder } from "./modules_order.ts";
import type { NativeFile } from "./native_file.ts";
import type { ByteRange } from "./section_table.ts";
import { planStrip } from "./strip_plan.ts";

export interface PlanNativeOptions {
  /** Directories of modules that were built outside of the tree (`make M=DIR`); they go to `updates/`. */
  outsideDirs?: readonly string[];
  signal?: AbortSignal;
}

const MAX_ORDER_BYTES = 8 << 20;
/** A signal must be able to arrive. */
const YIELD_AFTER_MS = 50;

/**
 * Files by path below the release's directory.
 *
 * @throws {FastboopError} `tree` when a module is not built or one from outside is for another release;
 * `corrupt`, `unsupported` and `limit` naming the module; `permission`, `cancelled`.
 */
export async function planNativeModules(
  { outDir, release }: Pick<KernelTree, "outDir" | "release">,
  options: PlanNativeOptions = {},
): Promise<Map<string, NativeFile>> {
  const files = new TreeFiles();
  const plan = new Map<string, NativeFile>();
  const order = await readOrder(files, outDir, []);
  plan.set("modules.order", { kind: "bytes", bytes: new TextEncoder().encode(order.installed) });
  for (const name of ["modules.builtin", "modules.builtin.modinfo", "modules.builtin.ranges"]) {
    const file = files.withFile(`${outDir}/${name}`, (found) => whole(found));
    if (file !== undefined) plan.set(name, file);
  }
  const add = async (dir: string, stems: readonly string[], target: string, check?: Check) => {
    let yieldedAt = performance.now();
    for (const stem of stems) {
      const file = files.withFile(`${dir}/${stem}.ko`, (found) => {
        check?.(found, stem);
        return planModule(found, `${stem}.ko`);
      });
      if (file === undefined) throw notBuilt(dir, stem);
      plan.set(`${target}/${stem}.ko`, file);
      if (performance.now() - yieldedAt < YIELD_AFTER_MS) continue;
      await new Promise((resolve) => setTimeout(resolve));
      if (options.signal?.aborted) throw cancelled("Look at the modules", options.signal);
      yieldedAt = performance.now();
    }
  };
  await add(outDir, order.stems, "kernel");
  for (const given of options.outsideDirs ?? []) {
    const dir = await files.realPath(given) ?? given;
    const { stems } = await readOrder(files, dir, [given, dir]);
    await add(dir, stems, "updates", (file, stem) => checkRelease(file, stem, release));
  }
  return plan;
}

type Check = (file: PinnedFile, stem: string) => void;

/** A module as it will be shown. */
function planModule(file: PinnedFile, what: string): NativeFile {
  if (file.stamp.sizeBytes > MAX_MODULE_BYTES) {
    throw new FastboopError({
      kind: "limit",
      action: `Look at module "${printable(what)}"`,
      state: `it has ${file.stamp.sizeBytes} bytes, the limit is ${MAX_MODULE_BYTES}`,
    });
  }
  const plan = feed(planStrip(file.stamp.sizeBytes, printable(what)), file);
  if (plan === undefined) return whole(file);
  return { ...whole(file), sizeBytes: plan.sizeBytes, isStripped: true };
}

function whole({ path, stamp }: PinnedFile): NativeFile & { kind: "host" } {
  return { kind: "host", hostPath: path, stamp, sizeBytes: stamp.sizeBytes, isStripped: false };
}

/** Gives a parser the bytes that it asks for. */
function feed<Result>(
  parser: Generator<ByteRange, Result, Uint8Array>,
  file: PinnedFile,
): Result {
  let step = parser.next();
  while (!step.done) step = parser.next(file.read(step.value.offsetBytes, step.value.sizeBytes));
  return step.value;
}

async function readOrder(files: TreeFiles, dir: string, outsideDirs: readonly string[]) {
  const path = `${dir}/modules.order`;
  const text = await files.readText(path, MAX_ORDER_BYTES);
  if (text !== undefined) return parseModulesOrder(text, path, outsideDirs);
  throw new FastboopError({
    kind: "tree",
    action: `Look for the modules of "${dir}"`,
    state: "there is no modules.order",
    hint: "Build the modules: `make modules`",
  });
}

/** make would rebuild what the tree changed under; these are older than the tree as easily as not. */
function checkRelease(file: PinnedFile, stem: string, release: string): void {
  const bytes = file.read(0, Math.min(file.stamp.sizeBytes, MAX_MODULE_BYTES));
  const built = parseModinfo(bytes, `module "${printable(stem)}.ko"`).vermagic?.split(" ")[0] ?? "";
  if (built === release) return;
  throw new FastboopError({
    kind: "tree",
    action: `Use module "${file.path}"`,
    state: `it is built for release "${printable(built)}", the kernel is "${release}"`,
    hint: "Build it again against this tree: `make M=DIR`",
  });
}

function notBuilt(dir: string, stem: string): FastboopError {
  return new FastboopError({
    kind: "tree",
    action: `Look for the modules of "${dir}"`,
    state: `modules.order names "${printable(stem)}.ko", which is not there`,
    hint: "Build the modules: `make modules`",
  });
}
