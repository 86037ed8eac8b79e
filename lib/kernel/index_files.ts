/** The index files of a modules directory that depmod never saw. */
import type { ModuleIndex } from "./module_index.ts";

/** All that depmod(8) would have written, by file name; none when it has. */
export function indexFiles(index: ModuleIndex): Map<string, Uint8Array> {
  return new Map(index.files);
}
