/** The inputs of a build -> its stamp. */
import { createHash } from "node:crypto";
import type { Arch } from "../kernel/arch.ts";
import type { BuildStamp } from "./build_stamp.ts";
import { encodeSettings, type Stage0Settings } from "./settings.ts";
import { VERSION } from "./version.ts";

export interface StampTarget {
  release: string;
  arch: Arch;
  /** Of modulesDigest(); absent for a kernel without modules. */
  modulesDigest?: string | undefined;
  /** SOURCE_DATE_EPOCH as the environment has it. */
  sourceDateEpoch?: string | undefined;
}

export interface InitramfsInputs extends StampTarget {
  profile: string;
  /** The kernel as a loader starts it: KernelImage.bytes. */
  kernel: Uint8Array;
  /** The program of readPayload(). */
  init: Uint8Array;
  settings: Stage0Settings;
  /** Names that were asked for, before dependencies: what the profile and the user want in stage0. */
  moduleNames: readonly string[];
  dtb?: Uint8Array | undefined;
  cmdline: string;
}

const TOOL = `fastboop ${VERSION}`;
/** Who the phone is, not what was built: the same build goes to any phone of the profile. */
const IDENTITY_KEYS = new Set(["stage0.serial", "smoo.vendor", "smoo.product"]);

/** The stamp of an initramfs. */
export function makeStamp(inputs: InitramfsInputs): BuildStamp {
  const { modulesDigest, dtb } = inputs;
  return {
    ...target(inputs),
    profile: inputs.profile,
    inputs: {
      kernel: sha256(inputs.kernel),
      ...(modulesDigest === undefined ? {} : { modules: modulesDigest }),
      stage0: sha256(inputs.init),
      settings: settingsDigest(inputs.settings, inputs.moduleNames),
      ...(dtb === undefined ? {} : { dtb: sha256(dtb) }),
      cmdline: sha256(inputs.cmdline),
    },
  };
}

/** The stamp of a modules image: the same for every kernel image that goes with the modules. */
export function makeModulesStamp(inputs: StampTarget & { modulesDigest: string }): BuildStamp {
  return { ...target(inputs), inputs: { modules: inputs.modulesDigest } };
}

function target({ release, arch, sourceDateEpoch }: StampTarget): Omit<BuildStamp, "inputs"> {
  const isEpoch = sourceDateEpoch !== undefined && /^\d{1,15}$/.test(sourceDateEpoch);
  return {
    tool: TOOL,
    release,
    arch,
    ...(isEpoch ? { sourceDateEpoch: Number(sourceDateEpoch) } : {}),
  };
}

/** Settings without the phone's identity, and the modules that were asked for. */
function settingsDigest(settings: Stage0Settings, moduleNames: readonly string[]): string {
  const lines = [...encodeSettings(settings)]
    .filter(([key]) => !IDENTITY_KEYS.has(key))
    .map(([key, value]) => `${key}=${value}\n`);
  return sha256(lines.sort().join("") + moduleNames.map((name) => `module=${name}\n`).join(""));
}

function sha256(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}
