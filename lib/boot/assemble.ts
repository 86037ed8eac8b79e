/** Everything that goes to the phone, from what was prepared: initramfs, command line, boot image. */
import { encodeBootImage } from "../bootimg/encode.ts";
import { appendsDevicetree, encodeKernel } from "../bootimg/kernel_encoding.ts";
import { parseFdt } from "../devicetree/parse_fdt.ts";
import { FastboopError } from "../errors/errors.ts";
import { selectDtModules } from "../kernel/dt_modules/select_dt_modules.ts";
import type { CpioEntry } from "../filesystems/cpio/entry.ts";
import type { KernelTree } from "../kernel/kernel_tree.ts";
import { planFirmware } from "../kernel/firmware/plan_firmware.ts";
import { readFirmware } from "../kernel/firmware/read_firmware.ts";
import { parseModinfo } from "../kernel/modinfo.ts";
import { moduleClosure } from "../kernel/module_closure.ts";
import { type LoadedModule, readModules } from "../kernel/read_modules.ts";
import { loadBundledSets } from "../kernel/sets/bundled_sets.ts";
import { selectModules } from "../kernel/sets/select_modules.ts";
import type { DeviceProfile, ProfileModule } from "../profiles/device_profile.ts";
import { DirectoryTree } from "../sources/directory.ts";
import { buildInitramfs } from "../stage0/initramfs.ts";
import { kernelCmdline } from "../stage0/kernel_cmdline.ts";
import { makeStamp } from "../stage0/make_stamp.ts";
import { readPayload } from "../stage0/payload.ts";
import { stage0Modules } from "../stage0/stage0_modules.ts";
import { readDeviceTree } from "./read_device_tree.ts";
import type { Environment } from "./environment.ts";
import type { BootImageParts } from "./hand_over.ts";
import type { Rootfs } from "./open_rootfs.ts";
import type { PreparedModules } from "./prepare_kernel.ts";
import type { BootRequest } from "./request.ts";
import { stampedSettings } from "./stamped_settings.ts";

/** What the gadget shows of itself: the bootloader's own, so that rules made for it go on to apply. */
export interface Identity {
  readonly vendorId: number;
  readonly productId: number;
  readonly serial: string;
}

export interface AssembleInput {
  readonly request: BootRequest;
  readonly rootfs: Rootfs;
  readonly tree: KernelTree;
  readonly modules: PreparedModules | undefined;
  readonly profile: DeviceProfile;
  readonly identity: Identity;
  readonly env: Environment;
  readonly signal: AbortSignal;
  readonly onWarning: (text: string) => void;
}

export interface Initramfs {
  readonly bytes: Uint8Array;
  readonly moduleCount: number;
}

/**
 * stage0, its settings and its modules.
 *
 * @throws {FastboopError} `tree` for a module that is neither built nor built in.
 */
export async function assembleInitramfs(input: AssembleInput): Promise<Initramfs> {
  const { rootfs, tree, modules, identity, profile, env } = input;
  const init = await readPayload(tree.arch, { env: input.env });
  const loaded = await loadModules(input);
  const settings = {
    ...stampedSettings({
      rootfs: rootfs.filesystem,
      ...(modules === undefined ? {} : { modulesRelease: tree.release }),
    }),
    serial: identity.serial,
    vendorId: identity.vendorId,
    productId: identity.productId,
  };
  const stamp = makeStamp({
    ...{ release: tree.release, arch: tree.arch, profile: profile.id, init, settings },
    kernel: tree.image.bytes,
    modulesDigest: modules?.digest,
    moduleNames: modules === undefined
      ? []
      : namedModules(input, profile.kernelModules.map(({ name }) => name)),
    dtb: await devicetree(input),
    cmdline: assembleCmdline(input),
    sourceDateEpoch: env["SOURCE_DATE_EPOCH"],
  });
  const bytes = buildInitramfs({
    ...{ init, modules: loaded, settings, stamp },
    firmware: await loadFirmware(input, loaded),
  });
  return { bytes, moduleCount: loaded.length };
}

/**
 * The modules stage0 loads: of a profile's optional ones those that this kernel has, and those that the
 * board's device tree asks for, without which the boot goes on.
 */
async function loadModules(input: AssembleInput): Promise<LoadedModule[]> {
  const { modules, tree, profile, signal } = input;
  if (modules === undefined) return [];
  const { index } = modules;
  const wanted = ({ name, optional }: ProfileModule) => {
    try {
      if (optional) moduleClosure(index, [name]);
      return [name];
    } catch (error) {
      if (error instanceof FastboopError && error.kind === "tree") return [];
      throw error;
    }
  };
  const dtb = await devicetree(input);
  const named = namedModules(input, profile.kernelModules.flatMap(wanted));
  const requests = selectModules(named, await loadBundledSets());
  const words = (optional: boolean) =>
    requests.filter((r) => (r.optional ?? false) === optional).map(({ word }) => word);
  const ofBoard = dtb === undefined
    ? []
    : selectDtModules(parseFdt(dtb, "of the board"), index).modules.map(({ name }) => name);
  const closure = moduleClosure(index, words(false), [...words(true), ...ofBoard]);
  return await readModules(modules.tree, modules.directory, closure, tree, { signal });
}

/** The firmware those modules name, from `--firmware-dir`; what is missing is told. */
async function loadFirmware(
  { request, tree, signal, onWarning }: AssembleInput,
  loaded: readonly LoadedModule[],
): Promise<CpioEntry[]> {
  if (request.firmware === undefined) return [];
  const { dir, policy, list } = request.firmware;
  await using files = new DirectoryTree(dir);
  const root = { tree: files, directory: "", release: tree.release };
  const modules = loaded.map(({ fileName, bytes }) => ({
    name: fileName,
    firmware: parseModinfo(bytes, fileName).firmware,
  }));
  const plan = await planFirmware(root, { policy, list, modules });
  for (const { name, modules: by } of plan.missing) {
    onWarning(`firmware ${name} is not there, named by ${by.join(", ") || "the list"}`);
  }
  return await readFirmware(root, plan, { prefix: "lib", signal });
}

function namedModules({ rootfs, request }: AssembleInput, profileModules: string[]): string[] {
  return stage0Modules({
    rootfs: rootfs.filesystem,
    modulesExport: true,
    profileModules,
    requiredModules: request.requireModules,
  });
}

/** `--dtb`, or the tree's for the profile's board. */
async function devicetree({ request, tree }: AssembleInput): Promise<Uint8Array | undefined> {
  return request.dtb === undefined ? tree.dtb?.bytes : await readDeviceTree(request.dtb);
}

/** @throws {FastboopError} `usage` and `limit` for a command line that does not fit. */
export function assembleCmdline({ profile, request }: AssembleInput): string {
  const { cmdlineAppend } = profile.bootImage;
  return kernelCmdline({
    ...(cmdlineAppend === undefined ? {} : { profile: cmdlineAppend }),
    ...(request.append === undefined ? {} : { append: request.append }),
  });
}

/** @throws {FastboopError} `limit` above the profile's bounds, `usage`, `unsupported`. */
export async function assembleBootImage(
  input: AssembleInput,
  initramfs: Uint8Array,
): Promise<BootImageParts> {
  const { profile, tree } = input;
  const { headerVersion, pageSizeBytes, addresses, kernelEncoding, limits } = profile.bootImage;
  const dtb = await devicetree(input);
  const separate = headerVersion === 2 && !appendsDevicetree(kernelEncoding) ? dtb : undefined;
  const parts = encodeBootImage({
    headerVersion,
    pageSizeBytes,
    addresses,
    limits,
    kernel: encodeKernel(tree.image, dtb, kernelEncoding),
    ramdisk: [initramfs],
    ...(separate === undefined ? {} : { dtb: [separate] }),
    cmdline: assembleCmdline(input),
  });
  return { parts, sizeBytes: parts.reduce((sum, part) => sum + part.length, 0) };
}
