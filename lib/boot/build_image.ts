/** `boot --output` and `stage0`: what would be sent, without a phone. */
import { FastboopError } from "../errors/errors.ts";
import type { DeviceProfile } from "../profiles/device_profile.ts";
import {
  assembleBootImage,
  assembleCmdline,
  assembleInitramfs,
  type AssembleInput,
} from "./assemble.ts";
import type { BootImageParts } from "./hand_over.ts";
import { prepare, type Prepared } from "./prepare.ts";
import type { PrepareOptions } from "./prepare_kernel.ts";
import type { BootRequest } from "./request.ts";

/** Serial number of a gadget whose phone was not there to say its own: stage0's default. */
const NO_SERIAL = "0001";

export interface BuiltInitramfs {
  readonly bytes: Uint8Array;
  /** Words the kernel must be started with. */
  readonly cmdline: string;
}

/** @throws {FastboopError} `usage` without a profile, and what preparation throws. */
export async function buildInitramfsOnly(
  request: BootRequest,
  profile: DeviceProfile | undefined,
  options: PrepareOptions,
): Promise<BuiltInitramfs> {
  const chosen = required(profile);
  await using prepared = await prepare(request, chosen, options);
  const input = inputOf(prepared, chosen, request, options);
  const { bytes } = await assembleInitramfs(input);
  return { bytes, cmdline: assembleCmdline(input) };
}

/** @throws {FastboopError} `usage` without a profile, and what preparation throws. */
export async function buildBootImage(
  request: BootRequest,
  profile: DeviceProfile | undefined,
  options: PrepareOptions,
): Promise<BootImageParts> {
  const chosen = required(profile);
  await using prepared = await prepare(request, chosen, options);
  const input = inputOf(prepared, chosen, request, options);
  const { bytes } = await assembleInitramfs(input);
  return await assembleBootImage(input, bytes);
}

function inputOf(
  { rootfs, tree, modules }: Prepared,
  profile: DeviceProfile,
  request: BootRequest,
  { env, progress, signal }: PrepareOptions,
): AssembleInput {
  const [ids] = profile.match;
  const identity = {
    vendorId: ids?.vendorId ?? 0xdead,
    productId: ids?.productId ?? 0xbeef,
    serial: NO_SERIAL,
  };
  return {
    request,
    rootfs,
    tree,
    modules,
    profile,
    identity,
    env,
    signal,
    onWarning: progress.warn,
  };
}

function required(profile: DeviceProfile | undefined): DeviceProfile {
  if (profile !== undefined) return profile;
  throw new FastboopError({
    kind: "usage",
    action: "Build for a phone that is not there",
    state: "nothing says which phone it is",
    hint: "Pass --device-profile ID",
  });
}
