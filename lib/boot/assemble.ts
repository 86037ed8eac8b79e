/** Everything that goes to the phone, from what was prepared: initramfs, command line, boot image. */
import { encodeBootImage } from "../bootimg/encode.ts";
import { appendsDevicetree, encodeKernel } from "../bootimg/kernel_encoding.ts";
import { FastboopError } from "../errors/errors.ts";
import type { BootKernel } from "../kernel/boot_kernel.ts";
import type { DeviceProfile } from "../profiles/device_profile.ts";
import { buildInitramfs } from "../stage0/initramfs.ts";
import type { BootAdditions } from "./boot_additions.ts";
import type { Environment } from "./environment.ts";
import type { BootImageParts } from "./hand_over.ts";
import type { Rootfs } from "./open_rootfs.ts";
import type { PreparedModules } from "./prepare_kernel.ts";
import type { BootRequest } from "./request.ts";
import { assembleCmdline, devicetree, stage0Content } from "./stage0_content.ts";

export { assembleCmdline };

/** What the gadget shows of itself: the bootloader's own, so that rules made for it go on to apply. */
export interface Identity {
  readonly vendorId: number;
  readonly productId: number;
  readonly serial: string;
}

export interface AssembleInput {
  readonly request: BootRequest;
  readonly rootfs: Rootfs;
  readonly tree: BootKernel;
  readonly modules: PreparedModules | undefined;
  readonly profile: DeviceProfile;
  readonly additions?: BootAdditions | undefined;
  readonly identity: Identity;
  readonly env: Environment;
  readonly signal: AbortSignal;
  readonly onWarning: (text: string) => void;
}

export interface Initramfs {
  readonly bytes: Uint8Array;
  readonly moduleCount: number;
}

/**
 * stage0, its settings, its modules and their firmware.
 *
 * @throws {FastboopError} `tree` for a module that is neither built nor built in.
 */
export async function assembleInitramfs(input: AssembleInput): Promise<Initramfs> {
  const { identity } = input;
  const { settings, modules, ...rest } = await stage0Content(input);
  const bytes = buildInitramfs({
    ...rest,
    modules,
    settings: {
      ...settings,
      serial: identity.serial,
      vendorId: identity.vendorId,
      productId: identity.productId,
    },
  });
  return { bytes, moduleCount: modules.length };
}

/** @throws {FastboopError} `limit` above the profile's bounds, `usage`, `unsupported`. */
export async function assembleBootImage(
  input: AssembleInput,
  initramfs: Uint8Array,
): Promise<BootImageParts> {
  const { profile, tree } = input;
  const { headerVersion, pageSizeBytes, addresses, kernelEncoding, limits } = profile.bootImage;
  const dtb = await devicetree(input);
  const isAppended = appendsDevicetree(kernelEncoding);
  if (headerVersion < 2 && !isAppended && isAsked(input)) throw noPlace(profile);
  const separate = headerVersion === 2 && !isAppended ? dtb : undefined;
  const parts = encodeBootImage({
    headerVersion,
    pageSizeBytes,
    addresses,
    limits,
    kernel: encodeKernel(tree.image, dtb, kernelEncoding),
    ramdisk: [initramfs],
    ...(separate === undefined ? {} : { dtb: [separate] }),
    cmdline: assembleCmdline(input),
  });
  return { parts, sizeBytes: parts.reduce((sum, part) => sum + part.length, 0) };
}

/** Whether somebody wants a device tree sent that is not just the board's own. */
function isAsked({ request, additions }: AssembleInput): boolean {
  return request.dtb !== undefined || additions !== undefined &&
      (additions.overlays.length > 0 || additions.injectMac !== undefined);
}

function noPlace({ id, bootImage: { headerVersion, kernelEncoding } }: DeviceProfile) {
  return new FastboopError({
    kind: "usage",
    action: "Send the device tree",
    state: `header version ${headerVersion} with encoding ${kernelEncoding} has no place for it`,
    hint: `Leave --dtb and --dtbo out, or correct device profile ${id}: ${kernelEncoding}+dtb`,
  });
}
