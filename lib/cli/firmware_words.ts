/** `--firmware`, `--firmware-list` and `--firmware-dir` -> what is to be packed, and from where. */
import type { BootRequest } from "../boot/request.ts";
import { FastboopError } from "../errors/errors.ts";
import {
  type FirmwarePolicy,
  parseFirmwareList,
  parseFirmwarePolicy,
} from "../kernel/firmware/firmware_policy.ts";
import { TreeFiles } from "../kernel/tree_files.ts";
import type { Options } from "./command.ts";

export interface FirmwareWords {
  readonly policy: FirmwarePolicy;
  readonly list: readonly string[];
  /** Directory of this machine. */
  readonly dir?: string;
}

const MAX_LIST_BYTES = 1 << 20;

/** @throws {FastboopError} `usage` when policy and list do not fit each other; `not-found`. */
export async function readFirmwareWords(options: Options): Promise<FirmwareWords> {
  const policy = parseFirmwarePolicy(String(options["firmware"] ?? "auto"));
  const list = await readList(options["firmwareList"], policy.includes("list"));
  const dir = options["firmwareDir"];
  return { ...{ policy, list }, ...(typeof dir === "string" ? { dir } : {}) };
}

/**
 * The same for a phone, whose firmware comes from `--firmware-dir` alone; undefined without it.
 *
 * @throws {FastboopError} `usage` also for words on firmware that is nowhere.
 */
export async function readPhoneFirmware(options: Options): Promise<BootRequest["firmware"]> {
  const { policy, list, dir } = await readFirmwareWords(options);
  const into = options["firmwareInto"] as "stage0" | "modules" | undefined;
  if (dir !== undefined) return { policy, list, dir, into };
  const isAsked = options["firmware"] !== undefined && policy !== "none";
  if (into === undefined && !isAsked) return undefined;
  throw new FastboopError({
    kind: "usage",
    action: `Use ${into === undefined ? "--firmware" : "--firmware-into"}`,
    state: "nothing says where the firmware is",
    hint: "Pass --firmware-dir /usr/lib/firmware",
  });
}

async function readList(path: unknown, isWanted: boolean): Promise<string[]> {
  if (isWanted !== (typeof path === "string")) {
    throw new FastboopError({
      kind: "usage",
      action: "Read the firmware list",
      state: isWanted ? "--firmware says to use one" : "--firmware does not say to use it",
      hint: "Pass both --firmware list (or auto+list) and --firmware-list FILE",
    });
  }
  if (typeof path !== "string") return [];
  const text = await new TreeFiles().readText(path, MAX_LIST_BYTES);
  if (text !== undefined) return parseFirmwareList(text, `"${path}"`);
  throw new FastboopError({
    kind: "not-found",
    action: `Read firmware list "${path}"`,
    state: "there is no such file",
  });
}
