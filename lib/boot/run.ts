/** `boot`: from the inputs to a phone that is served. The only place that knows the whole way. */
import type { DeviceProfile } from "../profiles/device_profile.ts";
import type { SmooExport } from "../smoo/export.ts";
import type { UsbInfo } from "../usb/link.ts";
import {
  assembleBootImage,
  assembleInitramfs,
  type AssembleInput,
  type Identity,
} from "./assemble.ts";
import type { Environment } from "./environment.ts";
import { findBootloader } from "./find_bootloader.ts";
import { handOver } from "./hand_over.ts";
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

/** Logical block of the modules disk: ext4's own, and no larger than any phone's page. */
const BLOCK_BYTES = 4096;

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
    serial: identity.serial,
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
  return { request, rootfs, tree, modules, profile, identity, env, signal };
}

/** Export 0 is the root file system, export 1 the modules: the order is the contract with stage0. */
function exportsOf({ rootfs, modules }: Prepared): SmooExport[] {
  const exports: SmooExport[] = [{
    id: 1,
    name: "rootfs",
    reader: rootfs.reader,
    // A disk's logical block may not be larger than the file system's.
    blockSizeBytes: Math.min(BLOCK_BYTES, rootfs.blockSizeBytes),
  }];
  if (modules !== undefined) {
    exports.push({ id: 2, name: "modules", reader: modules.image, blockSizeBytes: BLOCK_BYTES });
  }
  return exports;
}

/** A bootloader without a usable serial number gets one for this boot: the gadget is known by it. */
function identityOf({ vendorId, productId, serial }: UsbInfo): Identity {
  const usable = serial !== undefined && /^[!-~](?:[ -~]{0,124}[!-~])?$/.test(serial);
  return {
    vendorId,
    productId,
    serial: usable ? serial : `fastboop-${crypto.randomUUID().slice(0, 8)}`,
  };
}
