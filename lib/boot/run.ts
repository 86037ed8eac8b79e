/** `boot`: from the inputs to a phone that is served. The only place that knows the whole way. */
import type { DeviceProfile } from "../profiles/device_profile.ts";
import { assembleBootImage, assembleInitramfs } from "./assemble.ts";
import { assembleInput } from "./assemble_input.ts";
import { checkFiles } from "./check_files.ts";
import { deviceProfiles } from "./device_profiles.ts";
import { exportsOf } from "./exports_of.ts";
import { findBootloader } from "./find_bootloader.ts";
import { handOver } from "./hand_over.ts";
import { identityOf } from "./identity_of.ts";
import { openBus } from "./open_bus.ts";
import type { ImageSourcesOptions } from "./image_sources.ts";
import { openInput } from "./open_input.ts";
import { prepare } from "./prepare.ts";
import type { BootRequest, PhoneRequest } from "./request.ts";
import type { SmooExport } from "../smoo/export.ts";
import { servePhone } from "./serve_phone.ts";

export interface BootOptions extends ImageSourcesOptions {
  request: BootRequest;
  phone: PhoneRequest;
  /** Profiles the phone may be. */
  profiles: readonly DeviceProfile[];
  /** Called when everything is prepared, before a phone is touched: gives permissions up. */
  onPrepared: () => void;
}

/**
 * Boots one phone and serves it until the signal stops it.
 *
 * @throws {FastboopError} of every kind; `cancelled` is the normal end.
 */
export async function boot(options: BootOptions): Promise<never> {
  const { request, phone, progress, signal } = options;
  await checkFiles(request);
  await using bus = await openBus(phone.usb);
  await using input = await openInput(request, options);
  const profiles = deviceProfiles(options.profiles, input, request);
  const known = request.deviceProfile === undefined ? undefined : profiles[0];
  await using prepared = await prepare(request, input, known, options);
  options.onPrepared();
  const found = await findBootloader(bus, { profiles, request: phone, progress, signal });
  const { profile, link } = found;
  const identity = identityOf(link.info);
  let exports: SmooExport[];
  try {
    const parts = await assembleInput(prepared, profile, identity, request, options);
    const { bytes } = await assembleInitramfs(parts);
    await handOver(link, await assembleBootImage(parts, bytes), { bus, progress, signal });
    exports = exportsOf(parts);
  } finally {
    await link[Symbol.asyncDispose]();
  }
  await prepared.letGoOfKernel();
  return await servePhone({ bus, identity, exports, progress, signal });
}
