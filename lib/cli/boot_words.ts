/** Words and options of `boot` and `stage0` -> what the boot room takes. */
import type { Environment } from "../boot/environment.ts";
import {
  type BootRequest,
  isTreeRequest,
  type PhoneRequest,
  type TreeRequest,
} from "../boot/request.ts";
import { FastboopError } from "../errors/errors.ts";
import type { Options } from "./command.ts";
import { readPhoneFirmware } from "./firmware_words.ts";

/** The words of `--modules`, which may be given several times. */
export interface ModulesWords {
  readonly from?: "native" | "make";
  /** `@set`. */
  readonly sets: readonly string[];
}

/** Variables that change what a run does; nothing else of the environment is read. */
const NAMES = [
  "PATH",
  "HOME",
  "TMPDIR",
  "LANG",
  "KBUILD_OUTPUT",
  "CROSS_COMPILE",
  "LLVM",
  "FASTBOOP_STAGE0_PATH",
  "FASTBOOP_CACHE_DIR",
  "XDG_CACHE_HOME",
  "SOURCE_DATE_EPOCH",
] as const;

/** @throws {FastboopError} `usage` for options that need a kernel tree. */
export async function bootRequest(
  [rootfs]: string[],
  options: Options,
): Promise<BootRequest> {
  const kernel = text(options, "kernel");
  const firmware = await readPhoneFirmware(options);
  const modules = options["modules"] as ModulesWords | undefined;
  if (kernel === undefined && modules?.from !== undefined) {
    throw withoutTree(`--modules ${modules.from}`, "the root image has its modules installed");
  }
  const release = text(options, "release");
  if (kernel !== undefined && release !== undefined) {
    throw new FastboopError({
      kind: "usage",
      action: `Use --release ${release}`,
      state: "it chooses among the kernels of the root image, and --kernel names another one",
      hint: "Give one of the two",
    });
  }
  const extraModules = options["extraModules"] as string[] | undefined;
  if (kernel === undefined && extraModules !== undefined) {
    throw withoutTree("--extra-modules", "there is no build that they would belong to");
  }
  if (kernel === undefined && firmware?.into === "modules") {
    throw withoutTree("--firmware-into modules", "there is no modules image");
  }
  const copies = modules?.from === "make" || options["watch"] === true;
  if (copies && extraModules !== undefined) {
    throw new FastboopError({
      kind: "usage",
      action: "Use --extra-modules",
      state: "make installs the modules, and only those of the tree",
      hint: "Leave --modules=make and --watch out",
    });
  }
  return {
    rootfs: rootfs!,
    bootProfile: text(options, "bootProfile"),
    partition: text(options, "partition"),
    dtbOverlays: options["dtbo"] as string[] | undefined,
    extraModules,
    firmware,
    kernel,
    release,
    deviceProfile: text(options, "deviceProfile"),
    dtb: text(options, "dtb"),
    append: text(options, "append"),
    requireModules: [
      ...options["requireModule"] as string[] | undefined ?? [],
      ...modules?.sets ?? [],
    ],
    modules: modules?.from,
  };
}

/** `boot --watch` is for a tree that is built anew. */
export function treeRequest(request: BootRequest): TreeRequest {
  if (isTreeRequest(request)) return request;
  throw withoutTree("--watch", "there is no tree to watch");
}

function withoutTree(option: string, state: string): FastboopError {
  return new FastboopError({
    kind: "usage",
    action: `Use ${option}`,
    state: `without --kernel ${state}`,
    hint: `Pass --kernel=DIR with a built kernel tree, or leave ${option} out`,
  });
}

export function phoneRequest(options: Options): PhoneRequest {
  const wait = options["wait"] as number | undefined;
  return {
    usb: text(options, "usb"),
    serial: text(options, "deviceSerial"),
    path: text(options, "devicePath"),
    waitMs: wait === undefined ? undefined : wait * 1000,
  };
}

export function readEnvironment(): Environment {
  return Object.fromEntries(NAMES.map((name) => [name, Deno.env.get(name)]));
}

/** Gives up the right to start programs; what native code of the USB library may do is beyond this. */
export function dropRun(): void {
  Deno.permissions.revokeSync({ name: "run" });
}

function text(options: Options, name: string): string | undefined {
  const value = options[name];
  return typeof value === "string" ? value : undefined;
}
