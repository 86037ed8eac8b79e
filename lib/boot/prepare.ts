/** What can be done before a phone is there: root image, kernel, modules. */
import type { DeviceProfile } from "../profiles/device_profile.ts";
import type { KernelSource } from "./kernel_source.ts";
import type { BootInput } from "./open_input.ts";
import type { PrepareOptions } from "./prepare_kernel.ts";
import { type BootRequest, isTreeRequest } from "./request.ts";
import { rootKernel } from "./root_kernel.ts";
import { treeKernel } from "./tree_kernel.ts";

export interface Prepared extends KernelSource {
  readonly input: BootInput;
}

/**
 * Checks the inputs and finds the kernel. Disposal closes what was opened for that; `input` stays the caller's.
 *
 * @throws {FastboopError} whatever is wrong with an input, before anything is sent anywhere.
 */
export async function prepare(
  request: BootRequest,
  input: BootInput,
  profile: DeviceProfile | undefined,
  options: PrepareOptions,
): Promise<Prepared> {
  const source = isTreeRequest(request)
    ? await treeKernel(request, input.rootfs, profile, options)
    : await rootKernel(request, input, profile, options);
  return {
    input,
    kernelFor: source.kernelFor,
    letGoOfKernel: source.letGoOfKernel,
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}
