/** What an initramfs is made of, and the stamp that says so: for building one and for comparing. */
import { parseFdt } from "../devicetree/parse_fdt.ts";
import { FastboopError } from "../errors/errors.ts";
import type { CpioEntry } from "../filesystems/cpio/entry.ts";
import type { BootKernel } from "../kernel/boot_kernel.ts";
import { selectDtModules } from "../kernel/dt_modules/select_dt_modules.ts";
import { FIRMWARE_FOLDER } from "../kernel/firmware/firmware_folder.ts";
import { planFirmware } from "../kernel/firmware/plan_firmware.ts";
import { readFirmware } from "../kernel/firmware/read_firmware.ts";
import { loadedDigest } from "../kernel/loaded_digest.ts";
import { parseModinfo } from "../kernel/modinfo.ts";
import { moduleClosure } from "../kernel/module_closure.ts";
import { type LoadedModule, readModules } from "../kernel/read_modules.ts";
import { loadBundledSets } from "../kernel/sets/bundled_sets.ts";
import { selectModules } from "../kernel/sets/select_modules.ts";
import type { DeviceProfile, ProfileModule } from "../profiles/device_profile.ts";
import { DirectoryTree } from "../sources/directory.ts";
import type { BuildStamp } from "../stage0/build_stamp.ts";
import { kernelCmdline } from "../stage0/kernel_cmdline.ts";
import { makeStamp } from "../stage0/make_stamp.ts";
import { readPayload } from "../stage0/payload.ts";
import type { Stage0Settings } from "../stage0/settings.ts";
import { stage0Modules } from "../stage0/stage0_modules.ts";
import { addToDeviceTree, type BootAdditions } from "./boot_additions.ts";
import type { Environment } from "./environment.ts";
import type { Rootfs } from "./open_rootfs.ts";
import type { PreparedModules } from "./prepare_kernel.ts";
import { readDeviceTree } from "./read_device_tree.ts";
import type { BootRequest } from "./request.ts";
import { stampedSettings } from "./stamped_settings.ts";

/** What of the inputs an initramfs depends on. */
export interface Stage0Input {
  readonly request: Pick<BootRequest, "append" | "dtb" | "firmware" | "requireModules">;
  readonly rootfs: Pick<Rootfs, "filesystem">;
  readonly tree: Pick<BootKernel, "release" | "arch" | "image" | "dtb">;
  /** `image` only tells whether the modules are export 1. */
  readonly modules:
    | Pick<PreparedModules, "tree" | "directory" | "index" | "digest" | "xz"> & {
      readonly image?: unknown;
    }
    | undefined;
  readonly profile: DeviceProfile;
  /** Absent: none. */
  readonly additions?: BootAdditions | undefined;
  readonly env: Environment;
  readonly signal: AbortSignal;
  readonly onWarning: (text: string) => void;
}

export interface Stage0Content {
  readonly init: Uint8Array;
  /** In load order. */
  readonly modules: readonly LoadedModule[];
  readonly firmware: readonly CpioEntry[];
  /** All but the phone's identity. */
  readonly settings: Stage0Settings;
  readonly stamp: BuildStamp;
}

/**
 * Chooses and reads everything but the identity of the phone.
 *
 * @throws {FastboopError} `tree` for a module that is neither built nor built in; what the inputs throw.
 */
export async function stage0Content(input: Stage0Input): Promise<Stage0Content> {
  const { rootfs, tree, modules, profile, env } = input;
  const init = await readPayload(tree.arch, { env });
  const dtb = await devicetree(input);
  const loaded = await loadModules(input, dtb);
  const firmware = await loadFirmware(input, loaded);
  const settings = stampedSettings({
    rootfs: rootfs.filesystem,
    ...(modules?.image === undefined ? {} : { modulesRelease: tree.release }),
  });
  const stamp = makeStamp({
    ...{ release: tree.release, arch: tree.arch, profile: profile.id, init, settings, firmware },
    kernel: tree.image.bytes,
    modulesDigest: modules?.digest ?? loadedDigest(loaded),
    loads: loaded,
    dtb,
    cmdline: assembleCmdline(input),
    sourceDateEpoch: env["SOURCE_DATE_EPOCH"],
  });
  return { init, modules: loaded, firmware, settings, stamp };
}

/**
 * The modules stage0 loads: of a profile's optional ones those that this kernel has, and those that the
 * board's device tree asks for, without which the boot goes on.
 */
async function loadModules(
  input: Stage0Input,
  dtb: Uint8Array | undefined,
): Promise<LoadedModule[]> {
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
  const named = namedModules(input, [
    ...profile.kernelModules.flatMap(wanted),
    ...input.additions?.kernelModules ?? [],
  ]);
  const requests = selectModules(named, await loadBundledSets());
  const words = (optional: boolean) =>
    requests.filter((r) => (r.optional ?? false) === optional).map(({ word }) => word);
  const ofBoard = dtb === undefined
    ? []
    : selectDtModules(parseFdt(dtb, "of the board"), index).modules.map(({ name }) => name);
  const closure = moduleClosure(index, words(false), [...words(true), ...ofBoard]);
  const options = { signal, ...(modules.xz === undefined ? {} : { xz: modules.xz }) };
  return await readModules(modules.tree, modules.directory, closure, tree, options);
}

/** The firmware those modules name, from `--firmware-dir`; what is missing is told. */
async function loadFirmware(
  { request, tree, signal, onWarning }: Stage0Input,
  loaded: readonly LoadedModule[],
): Promise<CpioEntry[]> {
  if (request.firmware === undefined || request.firmware.into === "modules") return [];
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

function namedModules(
  { rootfs, modules, request }: Stage0Input,
  profileModules: string[],
): string[] {
  return stage0Modules({
    rootfs: rootfs.filesystem,
    modulesExport: modules?.image !== undefined,
    profileModules,
    requiredModules: request.requireModules,
  });
}

/** `--dtb`, or the tree's for the profile's board, and what is added to it. */
export async function devicetree(
  { request, tree, additions }: Pick<Stage0Input, "request" | "tree" | "additions">,
): Promise<Uint8Array | undefined> {
  const dtb = request.dtb === undefined ? tree.dtb?.bytes : await readDeviceTree(request.dtb);
  return additions === undefined ? dtb : addToDeviceTree(dtb, additions);
}

/**
 * The profile's words, where firmware of the modules image is, and the user's.
 *
 * @throws {FastboopError} `usage` and `limit` for a command line that does not fit.
 */
export function assembleCmdline(
  { profile, request, tree, additions }: Pick<
    Stage0Input,
    "profile" | "request" | "tree" | "additions"
  >,
): string {
  const { cmdlineAppend } = profile.bootImage;
  const isInModules = request.firmware?.into === "modules" && request.firmware.policy !== "none";
  const words = [additions?.cmdline, request.append].filter((text) => text !== undefined);
  // The kernel looks there first, then in its other places.
  const path = `firmware_class.path=/lib/modules/${tree.release}/${FIRMWARE_FOLDER}`;
  return kernelCmdline({
    ...(cmdlineAppend === undefined ? {} : { profile: cmdlineAppend }),
    ...(isInModules ? { generated: [path] } : {}),
    ...(words.length === 0 ? {} : { append: words.join(" ") }),
  });
}
