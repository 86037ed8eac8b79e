/**
 * `inspect --verify-only`: whether a file is made of what the tree and the options give now. The inputs are
 * hashed again and compared with the file's stamp, one by one. Nothing is built and nothing is changed.
 */
import { FastboopError } from "../errors/errors.ts";
import type { Arch } from "../kernel/arch.ts";
import { digestModules } from "../kernel/digest_modules.ts";
import { findKernelTree } from "../kernel/find_tree.ts";
import type { KernelTree } from "../kernel/kernel_tree.ts";
import type { DeviceProfile } from "../profiles/device_profile.ts";
import { type BuildStamp, STAMP_INPUTS, type StampInput } from "../stage0/build_stamp.ts";
import { kernelCmdline } from "../stage0/kernel_cmdline.ts";
import { makeStamp } from "../stage0/make_stamp.ts";
import { readPayload } from "../stage0/payload.ts";
import { stage0Modules } from "../stage0/stage0_modules.ts";
import type { Environment } from "./environment.ts";
import type { Inspection } from "./inspect.ts";
import { readDeviceTree } from "./read_device_tree.ts";
import { type StampedSettings, stampedSettings } from "./stamped_settings.ts";

export interface VerifyRequest {
  /** Directory of the kernel tree, or below it. */
  readonly kernel: string;
  readonly dtb?: string | undefined;
  readonly append?: string | undefined;
  readonly requireModules: readonly string[];
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
  signal: AbortSignal;
}

/**
 * Compares stage by stage. A tree that is not ready makes its stages `missing`.
 *
 * @throws {FastboopError} `usage` without a profile for a file that holds stage0; `permission`.
 */
export async function verifyBuild(
  inspection: Inspection,
  request: VerifyRequest,
  options: VerifyOptions,
): Promise<StageVerdict[]> {
  const { stamp } = inspection;
  const stages: readonly StampInput[] = inspection.kind === "modules-image"
    ? ["modules"]
    : STAMP_INPUTS;
  if (stamp === undefined) {
    return stages.map((stage) => ({ stage, state: "missing", why: "the file has no build stamp" }));
  }
  const { profile, env, signal } = options;
  if (profile === undefined && inspection.kind !== "modules-image") throw noProfile();
  const tree = await attempt(() =>
    findKernelTree(request.kernel, {
      env,
      signal,
      arch: profile?.arch ?? stamp.arch as Arch,
      ...(profile?.devicetreeName === undefined ? {} : { devicetreeName: profile.devicetreeName }),
    })
  );
  if (tree instanceof FastboopError) {
    return stages.map((stage) => ({ stage, state: "missing", why: tree.state }));
  }
  const modules = await attempt(() => digestModules(tree.outDir, { env, signal }));
  const modulesDigest = modules instanceof FastboopError ? undefined : modules;
  const current: Current = profile === undefined
    ? (modulesDigest === undefined ? {} : { modules: modulesDigest })
    : await currentInputs(inspection, request, { tree, profile, modulesDigest, env });
  return stages.flatMap((stage) => {
    const problem = stage === "modules" && modules instanceof FastboopError ? modules : undefined;
    if (problem !== undefined) return [{ stage, state: "missing" as const, why: problem.state }];
    return compare(stage, stamp, current[stage], tree);
  });
}

interface Now {
  tree: KernelTree;
  profile: DeviceProfile;
  modulesDigest: string | undefined;
  env: Environment;
}

async function currentInputs(
  inspection: Inspection,
  request: VerifyRequest,
  { tree, profile, modulesDigest, env }: Now,
): Promise<Current> {
  const rootfs = inspection.settings.get("stage0.rootfs") === "ext4" ? "ext4" : "erofs";
  const hasModules = tree.moduleCount > 0;
  const { cmdlineAppend } = profile.bootImage;
  const settings: StampedSettings = {
    rootfs,
    ...(hasModules ? { modulesRelease: tree.release } : {}),
  };
  return makeStamp({
    release: tree.release,
    arch: tree.arch,
    profile: profile.id,
    modulesDigest,
    kernel: tree.image.bytes,
    init: await readPayload(tree.arch, { env }),
    settings: stampedSettings(settings),
    moduleNames: hasModules
      ? stage0Modules({
        rootfs,
        modulesExport: true,
        profileModules: profile.kernelModules.map(({ name }) => name),
        requiredModules: request.requireModules,
      })
      : [],
    dtb: request.dtb === undefined ? tree.dtb?.bytes : await readDeviceTree(request.dtb),
    cmdline: kernelCmdline({
      ...(cmdlineAppend === undefined ? {} : { profile: cmdlineAppend }),
      ...(request.append === undefined ? {} : { append: request.append }),
    }),
  }).inputs;
}

function compare(
  stage: StampInput,
  stamp: BuildStamp,
  now: string | undefined,
  tree: KernelTree,
): StageVerdict[] {
  const then = stamp.inputs[stage];
  if (then === undefined && now === undefined) return [];
  if (then === undefined) return [{ stage, state: "missing", why: "the file was made without" }];
  if (now === undefined) return [{ stage, state: "missing", why: "there is none now" }];
  if (then === now) return [{ stage, state: "fresh", why: "" }];
  const released = (stage === "kernel" || stage === "modules") && stamp.release !== tree.release
    ? `release ${stamp.release} then, ${tree.release} now; `
    : "";
  const why = `${released}${then.slice(0, 12)} then, ${now.slice(0, 12)} now`;
  return [{ stage, state: "stale", why }];
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
