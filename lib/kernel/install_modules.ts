/**
 * `make modules_install` into a directory of this run: stripped, plain modules, with depmod's indexes
 * when the host has depmod. It runs the tree's own code, as the user who runs fastboop.
 */
import { FastboopError } from "../errors/errors.ts";
import { ARCHES } from "./arch.ts";
import type { KernelTree } from "./kernel_tree.ts";
import { makeArguments } from "./make_arguments.ts";
import { runMake } from "./run_make.ts";
import { TreeFiles } from "./tree_files.ts";
import type { Toolchain } from "./toolchain_of.ts";

export interface InstallModulesOptions {
  env: Readonly<Record<string, string | undefined>>;
  /** Leaves debug information out (INSTALL_MOD_STRIP=1); default true. */
  strip?: boolean;
  /** Default 10 minutes. */
  deadlineMs?: number;
  signal?: AbortSignal;
}

/** What was installed. */
export interface InstalledModules {
  /** Host directory that holds `usr/lib/modules/<release>`. */
  readonly rootPath: string;
  /** `usr/lib/modules/<release>`. */
  readonly directory: string;
}

const DEADLINE_MS = 600_000;
/** Makefile.modinst refuses % and :, and its recipes do not quote the path. */
const SAFE_PATH = /^[A-Za-z0-9._/+@,=~-]+$/;

/**
 * Installs the tree's modules below `<runDir>/modules`.
 *
 * The release's directory comes out without a rewrite at the place where the phone will see it, because
 * kbuild appends `lib/modules/<release>` to `<runDir>/modules/usr`. Compression is switched off: stage0
 * loads plain modules only.
 *
 * @throws {FastboopError} `tree` when make or strip is missing, or make fails, hangs or floods; `cancelled`.
 */
export async function installModules(
  tree: KernelTree,
  runDir: string,
  options: InstallModulesOptions,
): Promise<InstalledModules> {
  const action = `Install the modules of kernel tree "${tree.outDir}"`;
  if (!SAFE_PATH.test(runDir)) {
    throw new FastboopError({
      kind: "tree",
      action,
      state: `kbuild cannot install into "${runDir}"`,
      hint: "Set TMPDIR to a path without spaces and shell characters",
    });
  }
  const files = new TreeFiles();
  const strip = options.strip ?? true;
  if (strip) await checkStrip(files, tree, options.env["PATH"] ?? "", action);
  const hasOutputMakefile = await files.stat(`${tree.outDir}/Makefile`) !== undefined;
  const rootPath = `${runDir}/modules`;
  await runMake([
    "-s",
    ...makeArguments({ ...tree, hasOutputMakefile }),
    "modules_install",
    `INSTALL_MOD_PATH=${rootPath}/usr`,
    ...(strip ? ["INSTALL_MOD_STRIP=1"] : []),
    ...plainModules(tree),
  ], {
    action,
    env: options.env,
    deadlineMs: options.deadlineMs ?? DEADLINE_MS,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  const directory = `usr/lib/modules/${tree.release}`;
  if ((await files.stat(`${rootPath}/${directory}`))?.kind === "directory") {
    return { rootPath, directory };
  }
  throw new FastboopError({
    kind: "tree",
    action,
    state: `make succeeded, but there is no ${directory}`,
    hint: "The release changed since the last build: build the tree again",
  });
}

/** Variables of the command line beat auto.conf, so these switch off what it sets. */
function plainModules(tree: KernelTree): string[] {
  return ["ALL", "GZIP", "XZ", "ZSTD"].map((codec) => `MODULE_COMPRESS_${codec}`)
    .filter((symbol) => tree.kconfig.get(symbol) === "y")
    .map((symbol) => `CONFIG_${symbol}=`);
}

/** kbuild calls strip without a look at whether it is there, in the middle of the installation. */
async function checkStrip(
  files: TreeFiles,
  tree: KernelTree,
  path: string,
  action: string,
): Promise<void> {
  const strip = stripOf(tree.toolchain);
  const candidates = strip.includes("/")
    ? [strip]
    : path.split(":").filter((dir) => dir.startsWith("/")).map((dir) => `${dir}/${strip}`);
  for (const candidate of candidates) {
    if ((await files.stat(candidate))?.kind === "file") return;
  }
  const debian = strip === `${ARCHES.aarch64.gnuPrefix}strip`
    ? "apt install binutils-aarch64-linux-gnu"
    : "install binutils";
  throw new FastboopError({
    kind: "tree",
    action,
    state: `"${strip}" is not in PATH, and the modules are for ${tree.arch}`,
    hint: `Install it (${debian}), or set CROSS_COMPILE to the prefix of your toolchain`,
  });
}

function stripOf({ crossCompile, llvm }: Toolchain): string {
  if (llvm === undefined) return `${crossCompile}strip`;
  // LLVM=1, LLVM=-18 (a suffix) or LLVM=/opt/llvm/bin/ (a prefix), see Documentation/kbuild/llvm.rst.
  if (llvm.endsWith("/")) return `${llvm}llvm-strip`;
  return llvm.startsWith("-") ? `llvm-strip${llvm}` : "llvm-strip";
}
