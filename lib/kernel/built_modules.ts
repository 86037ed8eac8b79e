/** Whether all modules of a build are there and finished. */
import type { MissingPiece } from "./missing_piece.ts";
import type { Kconfig } from "./kconfig.ts";
import { moduleStems } from "./module_stems.ts";
import type { TreeFiles } from "./tree_files.ts";

const MAX_ORDER_BYTES = 8 << 20;
/** Modules looked at before a signal may arrive; a few milliseconds when they are cached. */
const YIELD_AFTER = 500;

/**
 * Number of modules that modules.order names, or what is missing of them.
 *
 * A `.ko` older than its own `.o` was compiled but not linked again: a build cut short. A `.ko` older
 * than `.config` is no sign of anything, since make rebuilds only what a changed symbol touches.
 */
export async function builtModules(
  files: TreeFiles,
  outDir: string,
  kconfig: Kconfig,
): Promise<number | MissingPiece> {
  if (kconfig.get("MODULES") !== "y") return 0;
  const missing = (text: string): MissingPiece => ({
    text: `modules: ${text}`,
    targets: ["modules"],
  });
  const order = await files.readText(`${outDir}/modules.order`, MAX_ORDER_BYTES);
  if (order === undefined) {
    return [...kconfig.values()].includes("m") ? missing("not built, no modules.order") : 0;
  }
  const stems = moduleStems(order);
  const absent: string[] = [];
  const stale: string[] = [];
  for (const [i, stem] of stems.entries()) {
    if (i % YIELD_AFTER === 0) await new Promise((resolve) => setTimeout(resolve));
    const module = files.statNow(`${outDir}/${stem}.ko`);
    const object = files.statNow(`${outDir}/${stem}.o`);
    if (module?.kind !== "file") absent.push(stem);
    else if (object && object.mtimeMs > module.mtimeMs) stale.push(stem);
  }
  const first = (list: string[]): string => `${list.sort()[0]}.ko`;
  const of = `of ${stems.length}`;
  if (absent.length > 0) return missing(`${absent.length} ${of} not built, ${first(absent)} first`);
  if (stale.length > 0) return missing(`${stale.length} ${of} out of date, ${first(stale)} first`);
  return stems.length;
}
