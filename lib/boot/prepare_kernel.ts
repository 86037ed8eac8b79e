/** `--kernel`: a build tree -> its image, and the modules as export 1 and as stage0's pick. */
import { formatSize } from "../bytes/size.ts";
import { Ext4Image } from "../filesystems/ext4/image.ts";
import { layoutExt4 } from "../filesystems/ext4/layout.ts";
import { MODULES_IMAGE_LIMITS } from "../filesystems/limits.ts";
import { digestModules } from "../kernel/digest_modules.ts";
import { findKernelTree } from "../kernel/find_tree.ts";
import { FirmwareFolder } from "../kernel/firmware/firmware_folder.ts";
import { indexFiles } from "../kernel/index_files.ts";
import type { XzDecoder } from "../kernel/inflate_module.ts";
import { installModules } from "../kernel/install_modules.ts";
import type { KernelTree } from "../kernel/kernel_tree.ts";
import type { ModuleIndex } from "../kernel/module_index.ts";
import { ModulesTree } from "../kernel/modules_tree.ts";
import {
  type NativeModules,
  prepareNativeModules,
} from "../kernel/native_modules/prepare_native_modules.ts";
import { readModuleIndex } from "../kernel/read_module_index.ts";
import { unmetStage0Symbols, unmetSymbolsError } from "../kernel/unmet_stage0_symbols.ts";
import type { DeviceProfile } from "../profiles/device_profile.ts";
import { encodeStamp, MODULES_STAMP_NAME } from "../stage0/build_stamp.ts";
import { makeModulesStamp } from "../stage0/make_stamp.ts";
import { DirectoryTree } from "../sources/directory.ts";
import type { FileTree } from "../sources/file_tree.ts";
import type { Reader } from "../sources/reader.ts";
import type { Environment } from "./environment.ts";
import { modulesFirmware } from "./modules_firmware.ts";
import type { Rootfs } from "./open_rootfs.ts";
import type { Progress } from "./progress.ts";
import type { BootRequest, TreeRequest } from "./request.ts";

/** Label of the modules image; stage0 checks it before it mounts export 1. */
export const MODULES_LABEL = "fastboop-modules";

/** The modules of the kernel: of a build tree installed and laid out, or where a root file system has them. */
export interface PreparedModules {
  readonly tree: FileTree;
  /** `usr/lib/modules/<release>`. */
  readonly directory: string;
  readonly index: ModuleIndex;
  /** Of what was built, before installation: the stamp's. Absent for modules of a root file system. */
  readonly digest?: string;
  /** Export 1; absent when the root file system has the modules. */
  readonly image?: Reader;
  /** For modules that are stored as xz. */
  readonly xz?: XzDecoder;
}

export interface PrepareOptions {
  env: Environment;
  progress: Progress;
  signal: AbortSignal;
}

/** What of a request decides on the modules of a build. */
export type ModulesRequest = Pick<BootRequest, "extraModules" | "firmware">;

export interface CheckTreeOptions extends PrepareOptions {
  /** A look at the same tree by this run, which need not be repeated when it found all that is wanted. */
  known?: KernelTree | undefined;
}

/**
 * Finds and checks the tree for a root image, before anything is installed or sent.
 *
 * @throws {FastboopError} `tree` listing everything that is missing.
 */
export async function checkTree(
  request: Pick<TreeRequest, "kernel" | "dtb">,
  rootfs: Rootfs,
  profile: DeviceProfile | undefined,
  options: CheckTreeOptions,
): Promise<KernelTree> {
  // The user's own device tree replaces the tree's, which need not be built then.
  const devicetreeName = request.dtb === undefined ? profile?.devicetreeName : undefined;
  const { known } = options;
  // Only the architecture and the device tree depend on the profile.
  const hasAll = known !== undefined && (profile === undefined || profile.arch === known.arch) &&
    (known.arch !== "aarch64" || devicetreeName === undefined || known.dtb !== undefined);
  if (hasAll) return known;
  const tree = await findKernelTree(request.kernel, {
    env: options.env,
    signal: options.signal,
    ...(profile === undefined ? {} : { arch: profile.arch }),
    ...(devicetreeName === undefined ? {} : { devicetreeName }),
  });
  const needModulesExport = tree.moduleCount > 0;
  const needs = { rootfs: rootfs.filesystem, needModulesExport };
  const unmet = unmetStage0Symbols(tree.kconfig, needs);
  if (unmet.length > 0) throw unmetSymbolsError(unmet, tree.outDir);
  return tree;
}

/**
 * Lays the modules image out straight over the tree's modules, or with `runDir` over what make's
 * modules_install leaves there; nothing is copied into it. Undefined for a kernel without modules.
 */
export async function prepareModules(
  tree: KernelTree,
  request: ModulesRequest,
  options: PrepareOptions,
  runDir?: string,
): Promise<PreparedModules | undefined> {
  if (tree.moduleCount === 0) return undefined;
  const { env, progress, signal } = options;
  progress.phase("Preparing the modules");
  const outsideDirs = request.extraModules ?? [];
  const { tree: modules, directory, index, warnings } = runDir !== undefined
    ? await makeModules(tree, runDir, options)
    : await prepareNativeModules(tree, { outsideDirs, signal });
  await using stack = new AsyncDisposableStack();
  stack.use(modules);
  for (const warning of warnings) progress.warn(warning);
  const digest = (await digestModules(tree.outDir, { env, outsideDirs, signal }))!;
  const firmware = await modulesFirmware(
    request,
    { tree: modules, directory, index },
    tree.release,
    { signal, onWarning: progress.warn },
  );
  stack.use(firmware);
  const stamp = makeModulesStamp({
    release: tree.release,
    arch: tree.arch,
    modulesDigest: digest,
    firmwareDigest: firmware?.digest,
    sourceDateEpoch: env["SOURCE_DATE_EPOCH"],
  });
  const added = new Map([[MODULES_STAMP_NAME, encodeStamp(stamp)]]);
  const stamped = new ModulesTree(modules, { directory, added });
  const shown = firmware === undefined
    ? stamped
    : new FirmwareFolder(stamped, { directory, files: firmware.files, source: firmware.source });
  const layout = await layoutExt4(shown, {
    label: MODULES_LABEL,
    owner: "root",
    limits: MODULES_IMAGE_LIMITS,
    signal,
  });
  const image = new Ext4Image(layout);
  const besides = firmware === undefined
    ? ""
    : `, ${firmware.files.length} files of firmware (${formatSize(firmware.sizeBytes)})`;
  progress.note(
    `${index.modules.size} modules${besides}; export 1 is ${
      formatSize(image.sizeBytes)
    } of ext4, laid out in memory`,
  );
  stack.move(); // `shown` has taken them over
  return { tree: shown, directory, index, digest, image };
}

async function makeModules(
  tree: KernelTree,
  runDir: string,
  { env, progress, signal }: PrepareOptions,
): Promise<NativeModules> {
  progress.phase("Installing the modules (make modules_install)");
  const { rootPath, directory } = await installModules(tree, runDir, { env, signal });
  await using stack = new AsyncDisposableStack();
  const host = stack.use(new DirectoryTree(rootPath));
  const index = await readModuleIndex(host, directory, { signal });
  const modules = new ModulesTree(host, { directory, added: indexFiles(index) });
  stack.move();
  return { tree: modules, directory, index, warnings: [] };
}
