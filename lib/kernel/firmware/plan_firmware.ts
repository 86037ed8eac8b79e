/** The firmware some modules need: which files and links of a tree, and what of it is not there. */
import { FastboopError } from "../../errors/errors.ts";
import type { Entry } from "../../sources/file_tree.ts";
import { findFirmware, type FirmwareRoot } from "./find_firmware.ts";
import type { FirmwarePolicy } from "./firmware_policy.ts";

export interface FirmwareNeeds {
  readonly policy: FirmwarePolicy;
  /** What each module's `.modinfo` names. */
  readonly modules: readonly { name: string; firmware: readonly string[] }[];
  /** Names of the user's list. */
  readonly list?: readonly string[];
}

/** A file or link to pack. */
export interface FirmwareEntry {
  /** Path in the tree, below or (for what a link led to) beside the firmware directory. */
  readonly path: string;
  readonly entry: Entry;
}

/** A name without a file. Many are alternatives, so it is worth a warning and no more. */
export interface MissingFirmware {
  readonly name: string;
  /** Modules that name it; none when only the list does. */
  readonly modules: readonly string[];
}

/** A name under which firmware is found, and the file behind all links. */
export interface FirmwareFile {
  readonly namePath: string;
  readonly path: string;
  readonly entry: Entry;
}

export interface FirmwarePlan {
  /** For a place without links: a file for each name, by name. */
  readonly files: readonly FirmwareFile[];
  /** Each once, by path. */
  readonly entries: readonly FirmwareEntry[];
  readonly missing: readonly MissingFirmware[];
  /** Bytes of the files. */
  readonly sizeBytes: number;
}

const MAX_FILES = 16_384;
const MAX_TOTAL_BYTES = 2 ** 30;

/**
 * Finds the firmware. Links come with what they lead to.
 *
 * @throws {FastboopError} `limit` above 16384 files or 1 GiB; what the tree throws.
 */
export async function planFirmware(
  root: FirmwareRoot,
  { policy, modules, list = [] }: FirmwareNeeds,
): Promise<FirmwarePlan> {
  const wanted = new Map<string, string[]>();
  if (policy === "auto" || policy === "auto+list") {
    for (const { name, firmware } of modules) {
      for (const file of firmware) {
        const of = wanted.get(file);
        if (of === undefined) wanted.set(file, [name]);
        else of.push(name);
      }
    }
  }
  if (policy === "list" || policy === "auto+list") {
    for (const file of list) if (!wanted.has(file)) wanted.set(file, []);
  }
  const entries = new Map<string, Entry>();
  const files = new Map<string, FirmwareFile>();
  const missing: MissingFirmware[] = [];
  let sizeBytes = 0;
  for (const [name, of] of wanted) {
    const found = await findFirmware(root, name);
    if (found.length === 0) missing.push({ name, modules: [...new Set(of)] });
    for (const { askedPath, links, path, entry } of found) {
      for (const link of links) entries.set(link.path, link.entry);
      if (!entries.has(path)) sizeBytes += entry.sizeBytes;
      entries.set(path, entry);
      files.set(askedPath, { namePath: askedPath, path, entry });
    }
    if (entries.size > MAX_FILES || sizeBytes > MAX_TOTAL_BYTES) {
      throw new FastboopError({
        kind: "limit",
        action: "Collect the firmware",
        state: `it has ${entries.size} files and ${sizeBytes} bytes`,
        hint: "Name what is needed: --firmware list --firmware-list FILE",
      });
    }
  }
  const sorted = [...entries].sort(([a], [b]) => a < b ? -1 : 1);
  return {
    entries: sorted.map(([path, entry]) => ({ path, entry })),
    files: [...files.values()].sort((a, b) => a.namePath < b.namePath ? -1 : 1),
    missing,
    sizeBytes,
  };
}
