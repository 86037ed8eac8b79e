/**
 * `inspect --verify-only`: whether a file is made of what the tree and the options give now. The inputs are
 * gathered and hashed again as a build would, and compared with the file's stamp, one by one. Nothing is
 * built and nothing is changed.
 */
import { FastboopError } from "../errors/errors.ts";
import type { Arch } from "../kernel/arch.ts";
import { digestModules } from "../kernel/digest_modules.ts";
import { findKernelTree } from "../kernel/find_tree.ts";
import type { KernelTree } from "../kernel/kernel_tree.ts";
import { prepareNativeModules } from "../kernel/native_modules/prepare_native_modules.ts";
import type { BootProfile } from "../profiles/boot_profile.ts";
import type { DeviceProfile } from "../profiles/device_profile.ts";
import { type BuildStamp, STAMP_INPUTS, type StampInput } from "../stage0/build_stamp.ts";
import { TOOL } from "../stage0/make_stamp.ts";
import { bootAdditions } from "./boot_additions.ts";
import type { Environment } from "./environment.ts";
import type { Inspection } from "./inspect.ts";
import { modulesFirmware } from "./modules_firmware.ts";
import type { BootRequest } from "./request.ts";
import { stage0Content } from "./stage0_content.ts";

/** What the file was asked for with. */
export interface VerifyRequest extends
  Pick<
    BootRequest,
    "dtb" | "dtbOverlays" | "append" | "firmware" | "requireModules" | "extraModules"
  > {
  /** Directory of the kernel tree, or below it. */
  readonly kernel: string;
}

export interface StageVerdict {
  readonly stage: StampInput;
  readonly state: "fresh" | "stale" | "missing";
  readonly why: string;
}

/** Digests of what a build would be made of now. */
type Current = Partial<Record<StampInput, string>>;

export interface VerifyOptions {
  env: Environment;
  /** Of the file's stamp, or the one that the user names. */
  profile: DeviceProfile | undefined;
  /** What else it was built with; absent: without one. */
  bootProfile?: BootProfile | undefined;
  signal: AbortSignal;
}

/**
 * Compares stage by stage. A tree that is not ready makes its stages `missing`, and so does a file
 * that was not built of any tree.
 *
 * @throws {FastboopError} `usage` without a profile for a file that holds stage0, or with a boot
 * profile that is not for its device; `permission`.
 */
export async function verifyBuild(
  inspection: Inspection,
  request: VerifyRequest,
  options: VerifyOptions,
): Promise<StageVerdict[]> {
  const { stamp } = inspection;
  const isModulesImage = inspection.kind === "modules-image";
  const stages: readonly StampInput[] = isModulesImage ? ["modules", "firmware"] : STAMP_INPUTS;
  const missing = (why: string) =>
    stages.map((stage) => ({ stage, state: "missing" as const, why }));
  if (stamp === undefined) return missing(inspection.stampProblem ?? "the file has no build stamp");
  if (!isModulesImage && isOfRoot(inspection, stamp)) {
    return missing("it was built of its root image's own kernel, not of a tree");
  }
  if (options.profile === undefined && !isModulesImage) throw noProfile();
  const found = await attempt(async () => {
    const tree = await findTree(request, stamp, options);
    return { tree, current: await currentInputs(inspection, request, tree, options) };
  });
  if (found instanceof FastboopError) return missing(found.state);
  return stages.flatMap((stage) =>
    compare(stage, { stamp, held: inspection.held }, found.current[stage], found.tree)
  );
}

/** Only modules that lie in the root already have no export, and stage0 is told no release. */
function isOfRoot({ settings }: Inspection, { inputs }: BuildStamp): boolean {
  return inputs.modules !== undefined && !settings.has("stage0.modules");
}

async function findTree(
  request: VerifyRequest,
  stamp: BuildStamp,
  { env, profile, signal }: VerifyOptions,
): Promise<KernelTree> {
  return await findKernelTree(request.kernel, {
    env,
    signal,
    arch: profile?.arch ?? stamp.arch as Arch,
    // The user's own device tree replaces it.
    ...(profile?.devicetreeName === undefined || request.dtb !== undefined
      ? {}
      : { devicetreeName: profile.devicetreeName }),
  });
}

async function currentInputs(
  inspection: Inspection,
  request: VerifyRequest,
  tree: KernelTree,
  { env, profile, bootProfile, signal }: VerifyOptions,
): Promise<Current> {
  const outsideDirs = request.extraModules ?? [];
  const digest = await digestModules(tree.outDir, { env, outsideDirs, signal });
  const isModulesImage = inspection.kind === "modules-image";
  // Firmware of the modules image goes by what all of the modules name.
  const needsModules = !isModulesImage || inspection.stamp?.inputs.firmware !== undefined ||
    request.firmware?.into === "modules";
  const modules = digest === undefined || !needsModules ? undefined : {
    ...await prepareNativeModules(tree, {
      isLook: true,
      outsideDirs,
      signal,
    }),
    digest,
    image: true,
  };
  await using _modules = modules?.tree;
  const quiet = () => {};
  if (isModulesImage) {
    const firmware = modules === undefined
      ? undefined
      : await modulesFirmware(request, modules, tree.release, { signal, onWarning: quiet });
    await using _firmware = firmware;
    return {
      ...(digest === undefined ? {} : { modules: digest }),
      ...(firmware === undefined ? {} : { firmware: firmware.digest }),
    };
  }
  const { settings } = inspection;
  const filesystem = settings.get("stage0.rootfs") === "ext4" ? "ext4" : "erofs";
  // Addresses were made of the serial number that the file names.
  const device = { id: profile!.id, serial: settings.get("stage0.serial") ?? "" };
  const additions = await bootAdditions(bootProfile, request, device);
  const { stamp } = await stage0Content({
    ...{
      request,
      rootfs: { filesystem },
      tree,
      modules,
      profile: profile!,
      additions,
      env,
      signal,
    },
    onWarning: quiet,
  });
  return stamp.inputs;
}

interface Then {
  stamp: BuildStamp;
  /** What the file itself holds beside the initramfs. */
  held: Inspection["held"];
}

function compare(
  stage: StampInput,
  { stamp, held }: Then,
  now: string | undefined,
  tree: KernelTree,
): StageVerdict[] {
  const then = stamp.inputs[stage];
  if (then === undefined && now === undefined) return [];
  const verdict = (state: StageVerdict["state"], why: string) => [{ stage, state, why }];
  if (then === undefined) return verdict("missing", "the file was made without");
  const short = (digest: string) => digest.slice(0, 12);
  const inside = stage === "kernel" ? held?.kernel : stage === "dtb" ? held?.dtb : undefined;
  if (inside !== undefined && inside !== then) {
    return verdict("stale", `the file holds ${short(inside)}, its stamp names ${short(then)}`);
  }
  if (now === undefined) return verdict("missing", "there is none now");
  if (then !== now) {
    const isReleased = stage === "kernel" || stage === "modules";
    const released = isReleased && stamp.release !== tree.release
      ? `release ${stamp.release} then, ${tree.release} now; `
      : "";
    return verdict("stale", `${released}${short(then)} then, ${short(now)} now`);
  }
  // The same inputs, but another program may make something else of them.
  if (stamp.tool !== TOOL) return verdict("stale", `made by ${stamp.tool}, this is ${TOOL}`);
  return verdict("fresh", "");
}

async function attempt<T>(work: () => Promise<T>): Promise<T | FastboopError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FastboopError && error.kind === "tree") return error;
    throw error;
  }
}

function noProfile(): FastboopError {
  return new FastboopError({
    kind: "usage",
    action: "Compare the file with the tree",
    state: "nothing says for which device it was built",
    hint: "Pass --device-profile ID",
  });
}
