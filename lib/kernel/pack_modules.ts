/** Chosen modules, their firmware and fresh indexes, laid out as a root file system has them. */
import type { FileTree } from "../sources/file_tree.ts";
import type { FirmwareRoot } from "./firmware/find_firmware.ts";
import type { FirmwarePolicy } from "./firmware/firmware_policy.ts";
import { firmwarePlace } from "./firmware/firmware_place.ts";
import { type MissingFirmware, planFirmware } from "./firmware/plan_firmware.ts";
import type { XzDecoder } from "./inflate_module.ts";
import { MODULE_SUFFIX } from "./module_name.ts";
import { PickedTree } from "./picked_tree.ts";
import { readModuleInfos } from "./read_module_infos.ts";
import { readTreeFile } from "./read_tree_file.ts";
import type { ResolvedModule } from "./resolve_modules.ts";

export interface PackModulesInput {
  readonly tree: FileTree;
  /** The release's directory in `tree`. */
  readonly directory: string;
  readonly release: string;
  readonly modules: readonly ResolvedModule[];
  /** `usr/lib` or `lib`. */
  readonly prefix: string;
  readonly firmware: {
    readonly policy: FirmwarePolicy;
    readonly list: readonly string[];
    /** Absent: nothing is found. */
    readonly root?: Pick<FirmwareRoot, "tree" | "directory">;
  };
  /** Makes the indexes of a modules directory: runDepmod(). */
  readonly depmod: (tree: FileTree, directory: string) => Promise<ReadonlyMap<string, Uint8Array>>;
  readonly xz: XzDecoder;
  readonly signal: AbortSignal;
}

export interface PackedModules {
  /** Reads from the input's trees, so those must stay open. */
  readonly tree: FileTree;
  readonly firmwareCount: number;
  readonly missingFirmware: readonly MissingFirmware[];
}

const KEPT = ["modules.builtin", "modules.builtin.modinfo"];
const MAX_KEPT_BYTES = 64 << 20;

/**
 * Picks the modules; they stay as they are stored.
 *
 * @throws {FastboopError} `tree` for a module of another release; what reading and depmod throw.
 */
export async function packModules(input: PackModulesInput): Promise<PackedModules> {
  const { tree, directory, release, modules, prefix, xz, signal } = input;
  const paths = modules.map(({ path }) => path);
  const infos = await readModuleInfos(tree, directory, paths, { release, xz, signal });
  const picked = new PickedTree();
  const target = `${prefix}/modules/${release}`;
  for (const path of paths) {
    const entry = (await tree.stat(`${directory}/${path}`))!;
    picked.add(`${target}/${path}`, { tree, path: `${directory}/${path}`, entry });
  }
  for (const name of KEPT) {
    const bytes = await readIfThere(tree, `${directory}/${name}`);
    if (bytes !== undefined) picked.add(`${target}/${name}`, { bytes });
  }
  const order = await readIfThere(tree, `${directory}/modules.order`);
  picked.add(`${target}/modules.order`, { bytes: orderOf(order, paths) });
  for (const [name, bytes] of await input.depmod(picked, target)) {
    picked.add(`${target}/${name}`, { bytes });
  }
  const { policy, list, root } = input.firmware;
  const plan = await planFirmware(
    { ...(root ?? { tree: new PickedTree(), directory: "" }), release },
    {
      policy,
      list,
      modules: modules.map(({ name, path }) => ({ name, firmware: infos.get(path)!.firmware })),
    },
  );
  for (const { path, entry } of plan.entries) {
    const below = firmwarePlace(path, root!.directory, prefix);
    picked.add(below, { tree: root!.tree, path, entry });
  }
  const { missing: missingFirmware, entries } = plan;
  return { tree: picked, firmwareCount: entries.length, missingFirmware };
}

/** The lines of modules.order that were picked, and the rest of the picked behind them. */
function orderOf(order: Uint8Array | undefined, paths: readonly string[]): Uint8Array {
  const plain = (path: string): string => path.replace(MODULE_SUFFIX, ".ko");
  const wanted = new Set(paths.map(plain));
  const lines = new TextDecoder().decode(order).split("\n").map(plain)
    .filter((line) => wanted.has(line));
  return new TextEncoder().encode([...new Set([...lines, ...wanted])].join("\n") + "\n");
}

async function readIfThere(tree: FileTree, path: string): Promise<Uint8Array | undefined> {
  const entry = await tree.stat(path);
  if (entry?.kind !== "file") return undefined;
  return await readTreeFile(tree, path, MAX_KEPT_BYTES, { entry });
}
