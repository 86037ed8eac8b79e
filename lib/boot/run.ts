/** `boot`: from the inputs to a phone that is served. The only place that knows the whole way. */
import type { DeviceProfile } from "../profiles/device_profile.ts";
import {
  assembleBootImage,
  assembleInitramfs,
  type AssembleInput,
  type Identity,
} from "./assemble.ts";
import type { Environment } from "./environment.ts";
import { exportsOf } from "./exports_of.ts";
import { findBootloader } from "./find_bootloader.ts";
import { handOver } from "./hand_over.ts";
import { identityOf } from "./identity_of.ts";
import { openBus } from "./open_bus.ts";
import { prepare, type Prepared } from "./prepare.ts";
import { checkTree } from "./prepare_kernel.ts";
import type { Progress } from "./progress.ts";
import type { BootRequest, PhoneRequest } from "./request.ts";
import { servePhone } from "./serve_phone.ts";

export interface BootOptions {
  request: BootRequest;
  phone: PhoneRequest;
  /** Profiles the phone may be; with `request.deviceProfile` that one alone. */
  profiles: readonly DeviceProfile[];
  env: Environment;
  progress: Progress;
  signal: AbortSignal;
  /** Called when everything is prepared, before a phone is touched: gives permissions up. */
  onPrepared: () => void;
}

/**
 * Boots one phone and serves it until the signal stops it.
 *
 * @throws {FastboopError} of every kind; `cancelled` is the normal end.
 */
export async function boot(options: BootOptions): Promise<never> {
  const { request, phone, profiles, progress, signal } = options;
  const known = request.deviceProfile === undefined ? undefined : profiles[0];
  await using bus = await openBus(phone.usb);
  await using prepared = await prepare(request, known, options);
  options.onPrepared();
  const found = await findBootloader(bus, { profiles, request: phone, progress, signal });
  const { profile, link } = found;
  const identity = identityOf(link.info);
  try {
    const input = await assembleInput(prepared, profile, identity, options);
    const { bytes } = await assembleInitramfs(input);
    await handOver(link, await assembleBootImage(input, bytes), { bus, progress, signal });
  } finally {
    await link[Symbol.asyncDispose]();
  }
  return await servePhone({
    bus,
    identity,
    exports: exportsOf(prepared),
    progress,
    signal,
  });
}

/** With the profile known only now, the tree is looked at again: for its architecture and device tree. */
async function assembleInput(
  prepared: Prepared,
  profile: DeviceProfile,
  identity: Identity,
  { request, env, progress, signal }: Omit<BootOptions, "phone" | "profiles" | "onPrepared">,
): Promise<AssembleInput> {
  const { rootfs, modules } = prepared;
  const tree = await checkTree(request.kernel, rootfs, profile, { env, progress, signal });
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
