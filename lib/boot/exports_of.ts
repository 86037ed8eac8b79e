import type { SmooExport } from "../smoo/export.ts";
import type { Reader } from "../sources/reader.ts";
import type { Rootfs } from "./open_rootfs.ts";

/** Logical block of the modules disk: ext4's own, and no larger than any phone's page. */
const BLOCK_BYTES = 4096;

/**
 * What the phone is served: export 0, the root file system, has id 1, and export 1, the modules, id 2.
 * The order is the contract with stage0. Without an image of modules there is no export 1.
 */
export function exportsOf({ rootfs, modules }: {
  rootfs: Pick<Rootfs, "reader" | "blockSizeBytes">;
  modules: { readonly image?: Reader } | undefined;
}): SmooExport[] {
  const exports: SmooExport[] = [{
    id: 1,
    name: "rootfs",
    reader: rootfs.reader,
    // A disk's logical block may not be larger than the file system's.
    blockSizeBytes: Math.min(BLOCK_BYTES, rootfs.blockSizeBytes),
  }];
  if (modules?.image !== undefined) {
    exports.push({ id: 2, name: "modules", reader: modules.image, blockSizeBytes: BLOCK_BYTES });
  }
  return exports;
}
