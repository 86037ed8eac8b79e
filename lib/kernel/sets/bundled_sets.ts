/** The sets that come with fastboop: `*.list` beside this file. */
import { type ModuleSet, parseSet } from "./parse_set.ts";

/** Named one by one, so that a stray file in the folder is no set. */
export const BUNDLED_SETS = [
  "storage",
  "virtio",
  "nic",
  "usb-host",
  "usb-phone",
  "zero-os",
] as const;

/** By name, without the `@`. */
export async function loadBundledSets(): Promise<Map<string, ModuleSet>> {
  const sets = new Map<string, ModuleSet>();
  for (const name of BUNDLED_SETS) {
    const text = await Deno.readTextFile(`${import.meta.dirname}/${name}.list`);
    sets.set(name, parseSet(name, text));
  }
  return sets;
}
