import type { DeviceProfile } from "../profiles/device_profile.ts";
import type { AssembleInput, Identity } from "./assemble.ts";
import { bootAdditions } from "./boot_additions.ts";
import type { Prepared } from "./prepare.ts";
import type { PrepareOptions } from "./prepare_kernel.ts";
import type { BootRequest } from "./request.ts";

/**
 * What was prepared, for one phone. Its profile may be known only now: the kernel is looked at again, for its
 * architecture and device tree.
 *
 * @throws {FastboopError} `usage` when the boot profile is not for the device, and what finding the kernel throws.
 */
export async function assembleInput(
  prepared: Prepared,
  profile: DeviceProfile,
  identity: Identity,
  request: BootRequest,
  { env, progress, signal }: PrepareOptions,
): Promise<AssembleInput> {
  const { rootfs, bootProfile } = prepared.input;
  const device = { id: profile.id, serial: identity.serial };
  const additions = await bootAdditions(bootProfile, request, device);
  const { tree, modules } = await prepared.kernelFor(profile);
  return {
    ...{ request, rootfs, tree, modules, profile, additions, identity, env, signal },
    onWarning: progress.warn,
  };
}
