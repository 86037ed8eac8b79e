/** `--firmware`, `--firmware-list` and `--firmware-dir` -> what is to be packed, and from where. */
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
  /** Absent on verbs without --firmware-into, and when it is not given. */
  readonly into?: "stage0" | "modules";
}

const MAX_LIST_BYTES = 1 << 20;

/** @throws {FastboopError} `usage` when policy and list do not fit each other; `not-found`. */
export async function readFirmwareWords(options: Options): Promise<FirmwareWords> {
  const policy = parseFirmwarePolicy(String(options["firmware"] ?? "auto"));
  const list = await readList(options["firmwareList"], policy.includes("list"));
  const dir = options["firmwareDir"];
  const into = options["firmwareInto"] as FirmwareWords["into"];
  if (into !== undefined && dir === undefined) {
    throw new FastboopError({
      kind: "usage",
      action: "Use --firmware-into",
      state: "nothing says where the firmware is",
      hint: "Pass --firmware-dir /usr/lib/firmware",
    });
  }
  return {
    ...{ policy, list },
    ...(typeof dir === "string" ? { dir } : {}),
    ...(into === undefined ? {} : { into }),
  };
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
