/** `--firmware-into modules`: the firmware that all modules of a build name, for the modules image. */
import { createHash } from "node:crypto";
import type { FileTree } from "../sources/file_tree.ts";
import {
  type FirmwareFile,
  type FirmwarePlan,
  planFirmware,
} from "../kernel/firmware/plan_firmware.ts";
import type { NativeModules } from "../kernel/native_modules/prepare_native_modules.ts";
import { readModuleInfos } from "../kernel/read_module_infos.ts";
import { cancelled } from "../errors/errors.ts";
import { DirectoryTree } from "../sources/directory.ts";
import type { BootRequest } from "./request.ts";

export interface ModulesFirmware extends AsyncDisposable {
  /** Where the files are. */
  readonly source: FileTree;
  readonly files: readonly FirmwareFile[];
  readonly sizeBytes: number;
  /** SHA-256 over names and contents. */
  readonly digest: string;
}

export interface ModulesFirmwareOptions {
  signal: AbortSignal;
  onWarning: (text: string) => void;
}

const CHUNK_BYTES = 1 << 20;

/**
 * Finds it, and reads all of it once for the stamp. Undefined when the request has none for the image.
 *
 * @throws {FastboopError} `limit` from planFirmware(); what the modules and the directory throw.
 */
export async function modulesFirmware(
  { firmware }: Pick<BootRequest, "firmware">,
  { tree, directory, index }: Pick<NativeModules, "tree" | "directory" | "index">,
  release: string,
  { signal, onWarning }: ModulesFirmwareOptions,
): Promise<ModulesFirmware | undefined> {
  if (firmware?.into !== "modules" || firmware.policy === "none") return undefined;
  const { policy, list, dir } = firmware;
  const source = new DirectoryTree(dir);
  try {
    const paths = policy === "list" ? [] : [...index.modules.values()].map(({ path }) => path);
    const infos = await readModuleInfos(tree, directory, paths, { release, signal });
    const modules = [...infos].map(([name, info]) => ({ name, firmware: info.firmware }));
    const plan = await planFirmware({ tree: source, directory: "", release }, {
      ...{ policy, list, modules },
    });
    warn(plan, onWarning);
    const digest = await digestOf(source, plan, signal);
    return {
      ...{ source, files: plan.files, sizeBytes: plan.sizeBytes, digest },
      [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
    };
  } catch (error) {
    await source[Symbol.asyncDispose]();
    throw error;
  }
}

/** Of all modules thousands of names are missing: only what somebody listed is told by name. */
function warn({ missing }: FirmwarePlan, onWarning: (text: string) => void): void {
  const listed = missing.filter(({ modules }) => modules.length === 0);
  for (const { name } of listed) onWarning(`firmware ${name} is not there, named by the list`);
  const others = missing.length - listed.length;
  if (others === 0) return;
  onWarning(`${others} names of firmware that modules give are not there (most are alternatives)`);
}

async function digestOf(
  source: FileTree,
  plan: FirmwarePlan,
  signal: AbortSignal,
): Promise<string> {
  const whole = createHash("sha256");
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (const { namePath, path, entry } of plan.files) {
    await using reader = await source.open(path, entry);
    const hash = createHash("sha256");
    for (let at = 0; at < reader.sizeBytes; at += CHUNK_BYTES) {
      if (signal.aborted) throw cancelled("Hash the firmware", signal);
      const part = buffer.subarray(0, Math.min(CHUNK_BYTES, reader.sizeBytes - at));
      await reader.readAt(at, part);
      hash.update(part);
    }
    whole.update(`${hash.digest("hex")} ${namePath}\n`);
  }
  return whole.digest("hex");
}
