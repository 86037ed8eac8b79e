/** `kconfig check`: what a kernel's configuration lacks; exit 10 when it lacks something. */
import { printable } from "../bytes/printable.ts";
import { FastboopError } from "../errors/errors.ts";
import { exitCode } from "../errors/exit_codes.ts";
import { kconfigFragment } from "../kernel/kconfig_fragment.ts";
import { unmetRequirements, type UnmetSymbol } from "../kernel/kconfig_requirement.ts";
import { KCONFIG_SET_NAMES, kconfigSet, type KconfigSetName } from "../kernel/kconfig_sets.ts";
import { readKconfig } from "../kernel/read_kconfig.ts";
import { TreeFiles } from "../kernel/tree_files.ts";
import type { Options } from "./command.ts";

export async function runKconfigCheck([path]: string[], options: Options): Promise<number> {
  const names = setNames(options["set"]);
  const rootfs = rootfsOf(options["rootfs"]);
  const kbuildOutput = Deno.env.get("KBUILD_OUTPUT");
  const found = await readKconfig(new TreeFiles(), path!, {
    ...(kbuildOutput ? { kbuildOutput } : {}),
  });
  const { kconfig } = found;
  const unmetBySymbol = new Map<string, UnmetSymbol & { set: KconfigSetName }>();
  const requirements = names.flatMap((set) => {
    const list = kconfigSet(set, kconfig, { rootfs });
    for (const unmet of unmetRequirements(kconfig, list)) {
      // A built-in one meets both, so it wins over a module.
      const other = unmetBySymbol.get(unmet.symbol);
      if (!other || unmet.line.endsWith("=y")) unmetBySymbol.set(unmet.symbol, { ...unmet, set });
    }
    return list;
  });
  const unmet = [...unmetBySymbol.values()];
  if (options["fragment"] === true) {
    const fragment = kconfigFragment(kconfig, requirements, unmet);
    if (fragment !== "") console.log(fragment.trimEnd());
  } else if (options["json"] === true) {
    const { path: file, origin } = found;
    console.log(JSON.stringify({ file, origin, sets: names, rootfs, unmet }, undefined, 2));
  } else {
    const file = printable(found.path);
    if (unmet.length === 0) console.log(`${file}: all of ${names.join(", ")} is set`);
    for (const { line, purpose } of unmet) console.log(`${line}  (to ${purpose})`);
    if (unmet.length > 0) console.error(`${file} lacks ${unmet.length} for ${names.join(", ")}`);
  }
  return unmet.length === 0 ? 0 : exitCode("tree");
}

function setNames(given: unknown): KconfigSetName[] {
  const words = given === undefined ? ["stage0"] : given as string[];
  const known: readonly string[] = KCONFIG_SET_NAMES;
  const wrong = words.find((word) => !known.includes(word));
  if (wrong === undefined) return [...new Set(words as KconfigSetName[])];
  throw new FastboopError({
    kind: "usage",
    action: "Read --set",
    state: `"${wrong}" is none of ${known.join(", ")}`,
  });
}

function rootfsOf(given: unknown): "erofs" | "ext4" {
  const rootfs = given ?? "erofs";
  if (rootfs === "erofs" || rootfs === "ext4") return rootfs;
  throw new FastboopError({
    kind: "usage",
    action: "Read --rootfs",
    state: `"${rootfs}" is neither erofs nor ext4`,
  });
}
