/** `boot --output` and `stage0`: what would be sent, without a phone. */
import { FastboopError } from "../errors/errors.ts";
import {
  assembleBootImage,
  assembleCmdline,
  assembleInitramfs,
  type AssembleInput,
} from "./assemble.ts";
import { assembleInput } from "./assemble_input.ts";
import { deviceProfiles } from "./device_profiles.ts";
import type { BootImageParts } from "./hand_over.ts";
import { openInput } from "./open_input.ts";
import { prepare } from "./prepare.ts";
import type { BootOptions } from "./run.ts";

/** Serial number of a gadget whose phone was not there to say its own: stage0's default. */
const NO_SERIAL = "0001";

export type BuildOptions = Omit<BootOptions, "phone" | "onPrepared">;

export interface BuiltInitramfs {
  readonly bytes: Uint8Array;
  /** Words the kernel must be started with. */
  readonly cmdline: string;
}

/** @throws {FastboopError} `usage` without a device profile, and what preparation throws. */
export async function buildInitramfsOnly(options: BuildOptions): Promise<BuiltInitramfs> {
  return await withInput(options, async (input) => {
    const { bytes } = await assembleInitramfs(input);
    return { bytes, cmdline: assembleCmdline(input) };
  });
}

/** @throws {FastboopError} `usage` without a device profile, and what preparation throws. */
export async function buildBootImage(options: BuildOptions): Promise<BootImageParts> {
  return await withInput(options, async (input) => {
    const { bytes } = await assembleInitramfs(input);
    return await assembleBootImage(input, bytes);
  });
}

async function withInput<T>(
  options: BuildOptions,
  build: (input: AssembleInput) => Promise<T>,
): Promise<T> {
  const { request } = options;
  if (request.deviceProfile === undefined) throw noProfile();
  await using input = await openInput(request, options);
  const profile = deviceProfiles(options.profiles, input, request)[0]!;
  await using prepared = await prepare(request, input, profile, options);
  const [ids] = profile.match;
  const identity = {
    vendorId: ids?.vendorId ?? 0xdead,
    productId: ids?.productId ?? 0xbeef,
    serial: NO_SERIAL,
  };
  return await build(await assembleInput(prepared, profile, identity, request, options));
}

function noProfile(): FastboopError {
  return new FastboopError({
    kind: "usage",
    action: "Build for a phone that is not there",
    state: "nothing says which phone it is",
    hint: "Pass --device-profile ID",
  });
}
