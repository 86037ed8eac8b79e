/** Words and options of `boot` and `stage0` -> what the boot room takes. */
import type { Environment } from "../boot/environment.ts";
import type { BootRequest, PhoneRequest } from "../boot/request.ts";
import { FastboopError } from "../errors/errors.ts";
import type { Options } from "./command.ts";
import { readFirmwareWords } from "./firmware_words.ts";

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

/** @throws {FastboopError} `usage`, and `unsupported` for a root image's own kernel. */
export async function bootRequest(
  [rootfs]: string[],
  options: Options,
): Promise<BootRequest> {
  const kernel = text(options, "kernel");
  if (kernel === undefined) {
    throw new FastboopError({
      kind: "unsupported",
      action: "Find a kernel",
      state: "taking it from inside the root image is not built yet",
      hint: "Pass --kernel=DIR with a built kernel tree",
    });
  }
  const { policy, list, dir } = await readFirmwareWords(options);
  const modules = options["modules"] as ModulesWords | undefined;
  return {
    rootfs: rootfs!,
    ...(dir === undefined ? {} : { firmware: { policy, list, dir } }),
    kernel,
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
