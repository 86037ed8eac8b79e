import { DirectoryTree } from "../sources/directory.ts";
import { readDeviceTree } from "./read_device_tree.ts";
import type { BootRequest } from "./request.ts";

/**
 * Looks at the files of this machine that a boot reads once the phone is known: what is wrong with
 * them is told before anybody fetches a phone.
 *
 * @throws {FastboopError} `not-found`, `permission`, `corrupt`, `limit`; `usage` for firmware that is
 * no directory.
 */
export async function checkFiles(
  { dtb, dtbOverlays, firmware }: Pick<BootRequest, "dtb" | "dtbOverlays" | "firmware">,
): Promise<void> {
  if (dtb !== undefined) await readDeviceTree(dtb);
  for (const path of dtbOverlays ?? []) await readDeviceTree(path);
  if (firmware !== undefined) await new DirectoryTree(firmware.dir)[Symbol.asyncDispose]();
}
