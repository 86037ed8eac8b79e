/** The flattened device tree of one board among those a tree has built. */
import { MAX_FDT_BYTES } from "../devicetree/parse_fdt.ts";
import { checkDtbName } from "./check_dtb_name.ts";
import { dtbProblem } from "./dtb_problem.ts";
import type { TreeDtb, TreeLocation } from "./kernel_tree.ts";
import type { MissingPiece } from "./missing_piece.ts";
import { nearMatches } from "../bytes/near_matches.ts";
import type { TreeFiles } from "./tree_files.ts";

/**
 * Looks for `<name>.dtb` below `arch/arm64/boot/dts`, then for its base name in any vendor's folder.
 *
 * @param name as device profiles write it: `qcom/sdm845-oneplus-fajita`.
 * @throws {FastboopError} `usage` when the name is no plain path.
 */
export async function findDtb(
  files: TreeFiles,
  location: TreeLocation,
  name: string,
): Promise<TreeDtb | MissingPiece> {
  checkDtbName(name);
  const below = "arch/arm64/boot/dts";
  const root = `${location.outDir}/${below}`;
  const missing = (text: string): MissingPiece => ({
    text: `device tree: ${text}`,
    targets: ["dtbs"],
  });
  let path = `${root}/${name}.dtb`;
  if (await files.stat(path) === undefined) {
    const base = `${name.slice(name.lastIndexOf("/") + 1)}.dtb`;
    const built = await builtDtbs(files, root);
    const found = built.filter((dtb) => dtb === base || dtb.endsWith(`/${base}`));
    if (found.length > 1) return missing(`several are called ${base}: ${found.join(", ")}`);
    if (found.length === 0) {
      return missing(`no ${below}/${name}.dtb${await why(files, location, name, built)}`);
    }
    path = `${root}/${found[0]!}`;
  }
  const bytes = await files.read(path, MAX_FDT_BYTES);
  const shown = path.slice(location.outDir.length + 1);
  if (bytes === undefined) return missing(`${shown} is no file`);
  const problem = dtbProblem(bytes);
  return problem === undefined ? { path, bytes } : missing(`${shown} is ${problem}`);
}

/** Built trees, one or two folders deep. */
async function builtDtbs(files: TreeFiles, root: string, prefix = ""): Promise<string[]> {
  const found: string[] = [];
  for (const { name, isDirectory } of await files.list(root)) {
    const path = `${prefix}${name}`;
    if (isDirectory && prefix.split("/").length <= 2) {
      found.push(...await builtDtbs(files, `${root}/${name}`, `${path}/`));
    } else if (name.endsWith(".dtb")) found.push(path);
  }
  return found;
}

async function why(
  files: TreeFiles,
  location: TreeLocation,
  name: string,
  built: readonly string[],
): Promise<string> {
  const source = `${location.sourceDir ?? location.outDir}/arch/arm64/boot/dts/${name}.dts`;
  if (await files.stat(source) !== undefined) return "";
  const base = name.slice(name.lastIndexOf("/") + 1);
  const near = nearMatches(base, built.map((path) => path.replace(/^.*\/|\.dtb$/g, "")));
  const hint = near.length > 0 ? `; built ones are near: ${near.join(", ")}` : "";
  return `, and the sources have none of that name${hint}`;
}
