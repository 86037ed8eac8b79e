/** The flattened device tree of one board in a root file system. */
import { MAX_FDT_BYTES } from "../../devicetree/parse_fdt.ts";
import { FastboopError } from "../../errors/errors.ts";
import type { FileTree } from "../../sources/file_tree.ts";
import { checkDtbName } from "../check_dtb_name.ts";
import { dtbProblem } from "../dtb_problem.ts";
import { followPath } from "../firmware/follow_path.ts";
import type { TreeDtb } from "../kernel_tree.ts";
import { nearMatches } from "../../bytes/near_matches.ts";
import { readTreeFile } from "../read_tree_file.ts";

export interface RootDtbOptions {
  /** As device profiles write it: `qcom/sdm845-oneplus-fajita`. */
  name: string;
  release: string;
  /** A folder in which they lie, or the file itself; absent: every place that distributions use. */
  path?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Folders `dtbs-*`. */
const MAX_FLAVOURS = 32;

/** Folders of one release: they win, for a device tree belongs to its kernel. */
const ofRelease = (release: string): string[] => [
  `usr/lib/modules/${release}/dtb`,
  `usr/lib/modules/${release}/dtbs`,
  `lib/modules/${release}/dtb`,
  `lib/modules/${release}/dtbs`,
  `usr/lib/linux-image-${release}`,
  `boot/dtbs/${release}`,
  `boot/dtb/${release}`,
  `boot/dtb-${release}`,
  `boot/dtbs-${release}`,
  `usr/lib/firmware/${release}/device-tree`,
  `lib/firmware/${release}/device-tree`,
  `usr/share/dtb/${release}`,
  `usr/share/dtbs/${release}`,
  // On a boot partition there is no `boot/` before them.
  ...[`dtbs/${release}`, `dtb/${release}`, `dtb-${release}`, `dtbs-${release}`],
];
/** Folders of whatever kernel there is. Alpine's flavours have `dtbs-lts` in /boot, found by listing. */
const OF_ANY = [
  ...["boot/dtbs", "boot/dtb", "boot"],
  ...["boot/efi/dtb", "boot/efi/dtbs", "efi/dtb", "dtbs", "dtb", ""],
  ...["usr/share/dtb", "usr/share/dtbs", "usr/lib/firmware", "lib/firmware"],
];

/**
 * Looks for `<name>.dtb`, then for its base name, in each place.
 *
 * @throws {FastboopError} `usage` when the name is no plain path, `not-found` naming the places and near
 * names, `corrupt` when the file is no device tree, `limit`.
 */
export async function findRootDtb(tree: FileTree, options: RootDtbOptions): Promise<TreeDtb> {
  const { name, release, path } = options;
  checkDtbName(name);
  const base = name.slice(name.lastIndexOf("/") + 1);
  const places = path === undefined
    ? [...ofRelease(release), ...OF_ANY, ...await flavours(tree)]
    : [path.replace(/^\/+|\/+$/g, "")];
  const below = [`/${name}.dtb`, `/${base}.dtb`, `/${name}`];
  const tails = path === undefined ? below : [...below, ""];
  for (const place of places) {
    for (const tail of tails) {
      const shown = `${place}${tail}`.replace(/^\//, "");
      const at = await followPath(tree, shown);
      if (at?.entry.kind !== "file") continue;
      return { path: shown, bytes: await readDtb(tree, at.path, options.signal) };
    }
  }
  throw await notFound(tree, name, path === undefined ? undefined : places[0]!, places);
}

async function flavours(tree: FileTree): Promise<string[]> {
  const found: string[] = [];
  for (const place of ["boot", ""]) {
    const boot = await followPath(tree, place);
    if (boot?.entry.kind !== "directory") continue;
    const names = (await tree.list(boot.path)).map(({ name }) => name);
    const prefix = boot.path === "" ? "" : `${boot.path}/`;
    for (const name of names) if (name.startsWith("dtbs-")) found.push(`${prefix}${name}`);
  }
  return found.slice(0, MAX_FLAVOURS);
}

async function readDtb(
  tree: FileTree,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const bytes = await readTreeFile(tree, path, MAX_FDT_BYTES, signal ? { signal } : {});
  const problem = dtbProblem(bytes);
  if (problem === undefined) return bytes;
  const action = `Read device tree "${path}"`;
  throw new FastboopError({ kind: "corrupt", action, state: `it is ${problem}` });
}

async function notFound(
  tree: FileTree,
  name: string,
  wanted: string | undefined,
  places: readonly string[],
): Promise<FastboopError> {
  const vendor = name.includes("/") ? `/${name.slice(0, name.lastIndexOf("/"))}` : "";
  const names = new Set<string>();
  for (const place of places) {
    const folder = await followPath(tree, `${place}${vendor}`);
    if (folder?.entry.kind !== "directory") continue;
    for (const entry of await tree.list(folder.path)) {
      if (entry.name.endsWith(".dtb")) names.add(entry.name.slice(0, -4));
    }
  }
  const near = nearMatches(name.slice(name.lastIndexOf("/") + 1), names);
  const where = wanted === undefined ? "in any place of device trees" : `in "${wanted}"`;
  return new FastboopError({
    kind: "not-found",
    action: `Find device tree "${name}" of the root file system`,
    state: `there is no ${name}.dtb ${where}` +
      (near.length === 0 ? "" : `; near ones: ${near.join(", ")}`),
    hint: "Pass --dtb FILE, or --kernel=DIR with a kernel tree that has it",
  });
}
