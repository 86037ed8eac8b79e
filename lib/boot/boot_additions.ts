/** What a boot profile and the command line add to a boot, for one device. */
import { applyOverlay } from "../devicetree/apply_overlay.ts";
import { editFdt } from "../devicetree/edit_fdt.ts";
import { encodeFdt } from "../devicetree/encode_fdt.ts";
import { injectMac } from "../devicetree/inject_mac.ts";
import { parseFdt } from "../devicetree/parse_fdt.ts";
import { FastboopError } from "../errors/errors.ts";
import { checkBootProfile } from "../profiles/boot/choose_boot_profile.ts";
import { deviceAdditions } from "../profiles/boot/device_additions.ts";
import type { BootProfile, BootProfileDevice } from "../profiles/boot_profile.ts";
import { readDeviceTree } from "./read_device_tree.ts";
import type { BootRequest } from "./request.ts";

export interface BootAdditions {
  /** In the order in which they are applied. */
  readonly overlays: readonly { readonly name: string; readonly bytes: Uint8Array }[];
  readonly cmdline?: string;
  readonly kernelModules: readonly string[];
  readonly injectMac?: BootProfileDevice["injectMac"] & { readonly serial: string };
}

/**
 * Gathers them; the overlays of `--dtbo` come last.
 *
 * @throws {FastboopError} `usage` when the boot profile is not for the device; `not-found` and others for a file.
 */
export async function bootAdditions(
  bootProfile: BootProfile | undefined,
  request: Pick<BootRequest, "dtbOverlays">,
  device: { readonly id: string; readonly serial: string },
): Promise<BootAdditions> {
  if (bootProfile !== undefined) checkBootProfile(bootProfile, device.id);
  const added = bootProfile && deviceAdditions(bootProfile, device.id);
  const overlays = (added?.dtOverlays ?? [])
    .map((bytes, i) => ({ name: `${i + 1} of the boot profile`, bytes }));
  for (const path of request.dtbOverlays ?? []) {
    overlays.push({ name: `"${path}"`, bytes: await readDeviceTree(path) });
  }
  return {
    overlays,
    kernelModules: added?.kernelModules ?? [],
    ...(added?.extraCmdline === undefined ? {} : { cmdline: added.extraCmdline }),
    ...(added?.injectMac === undefined
      ? {}
      : { injectMac: { ...added.injectMac, serial: device.serial } }),
  };
}

/**
 * The device tree with the overlays and addresses in it.
 *
 * @throws {FastboopError} `usage` when there is nothing to add them to; what the overlays are wrong with.
 */
export function addToDeviceTree(
  dtb: Uint8Array | undefined,
  { overlays, injectMac: mac }: Pick<BootAdditions, "overlays" | "injectMac">,
): Uint8Array | undefined {
  if (overlays.length === 0 && mac === undefined) return dtb;
  if (dtb === undefined) {
    throw new FastboopError({
      kind: "usage",
      action: "Change the device tree",
      state: "there are overlays or addresses for it, and this boot has none",
      hint: "Pass --dtb FILE",
    });
  }
  let tree = editFdt(parseFdt(dtb, "of the board"));
  for (const { name, bytes } of overlays) {
    tree = applyOverlay(tree, parseFdt(bytes, `overlay ${name}`), name);
  }
  if (mac?.wifi !== undefined) injectMac(tree, "wifi", mac.wifi, mac.serial);
  if (mac?.bluetooth !== undefined) injectMac(tree, "bluetooth", mac.bluetooth, mac.serial);
  return encodeFdt(tree);
}
