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

export interface ModulesImageInputs extends StampTarget {
  modulesDigest: string;
  /** Of the firmware in the image. */
  firmwareDigest?: string | undefined;
}

export interface InitramfsInputs extends StampTarget {
  profile: string;
  /** The kernel as a loader starts it: KernelImage.bytes. */
  kernel: Uint8Array;
  /** The program of readPayload(). */
  init: Uint8Array;
  settings: Stage0Settings;
  /**
   * What stage0 loads, in order: what the profile, the sets, the user's words and the device tree came to,
   * with all dependencies.
   */
  loads: readonly { readonly fileName: string; readonly optional: boolean }[];
  /** Members packed for those modules, as files and links. */
  firmware: readonly FirmwareMember[];
  dtb?: Uint8Array | undefined;
  cmdline: string;
}

export interface FirmwareMember {
  readonly path: string;
  readonly mode: number;
  readonly data?: Uint8Array;
}

/** Name and version of this program, as stamps have it. */
export const TOOL = `fastboop ${VERSION}`;
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
      settings: settingsDigest(inputs.settings),
      loads: loadsDigest(inputs.loads),
      ...firmwareInput(inputs.firmware),
      ...(dtb === undefined ? {} : { dtb: sha256(dtb) }),
      cmdline: sha256(inputs.cmdline),
    },
  };
}

/** The stamp of a modules image: the same for every kernel image that goes with the modules. */
export function makeModulesStamp(inputs: ModulesImageInputs): BuildStamp {
  const { modulesDigest, firmwareDigest } = inputs;
  return {
    ...target(inputs),
    inputs: {
      modules: modulesDigest,
      ...(firmwareDigest === undefined ? {} : { firmware: firmwareDigest }),
    },
  };
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

/** Settings without the phone's identity. */
function settingsDigest(settings: Stage0Settings): string {
  const lines = [...encodeSettings(settings)]
    .filter(([key]) => !IDENTITY_KEYS.has(key))
    .map(([key, value]) => `${key}=${value}\n`);
  return sha256(lines.sort().join(""));
}

function loadsDigest(loads: InitramfsInputs["loads"]): string {
  return sha256(
    loads.map(({ fileName, optional }) => `${optional ? "?" : ""}${fileName}\n`).join(""),
  );
}

/** Nothing for no firmware: a build without any has no such input. */
function firmwareInput(members: readonly FirmwareMember[]): { firmware?: string } {
  if (members.length === 0) return {};
  const lines = members.map(({ path, mode, data }) =>
    `${sha256(data ?? "")} ${mode.toString(8)} ${path}\n`
  );
  return { firmware: sha256(lines.sort().join("")) };
}

function sha256(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}
