/** Waits for the phone in fastboot mode and finds out which profile it is. */
import { FastboopError } from "../errors/errors.ts";
import { FastbootClient } from "../fastboot/client.ts";
import { isFastbootInterface } from "../fastboot/interface.ts";
import type { DeviceProfile } from "../profiles/device_profile.ts";
import { selectProfile } from "../profiles/select.ts";
import { findPhone } from "../usb/find.ts";
import type { UsbBus, UsbLink } from "../usb/link.ts";
import type { Progress } from "./progress.ts";
import type { PhoneRequest } from "./request.ts";

export interface Bootloader {
  /** The caller's to close. */
  readonly link: UsbLink;
  readonly profile: DeviceProfile;
}

export interface FindBootloaderOptions {
  /** One profile: the phone is not asked. Several: its variables must leave exactly one. */
  profiles: readonly DeviceProfile[];
  request: PhoneRequest;
  progress: Progress;
  signal: AbortSignal;
}

/**
 * @throws {FastboopError} `device` (none in time, several), `usage` when several profiles fit or
 * none has USB ids, `refused` when the bootloader answers nonsense, `permission`, `cancelled`.
 */
export async function findBootloader(
  bus: UsbBus,
  { profiles, request, progress, signal }: FindBootloaderOptions,
): Promise<Bootloader> {
  const ids = profiles.flatMap((profile) => profile.match);
  if (ids.length === 0) throw noIds(profiles);
  progress.phase("Waiting for a phone in fastboot mode");
  // What waiting does not cure ends the search: a bootloader that talks nonsense, or two profiles that fit.
  const hopeless = new AbortController();
  const chosen = new Map<UsbLink, DeviceProfile>();
  const { link } = await findPhone(bus, {
    what: "a phone in fastboot mode",
    match: isFastbootInterface,
    ids,
    serial: request.serial,
    path: request.path,
    accept: async (candidate, acceptSignal) => {
      try {
        const profile = await probe(candidate, profiles, progress, acceptSignal);
        if (profile === undefined) return "no profile fits it";
        chosen.set(candidate, profile);
        return undefined;
      } catch (error) {
        const kind = error instanceof FastboopError ? error.kind : undefined;
        if (kind === "refused" || kind === "usage") hopeless.abort(error);
        throw error;
      }
    },
  }, {
    timeoutMs: request.waitMs,
    signal: AbortSignal.any([signal, hopeless.signal]),
    onWaiting: (seen, why) => {
      for (const one of seen) progress.note(`${one.path}: ${one.reason}`);
      if (why !== undefined) progress.note(why);
    },
  });
  const profile = chosen.get(link)!;
  const { serial, path } = link.info;
  progress.note(`${profile.displayName ?? profile.id}, serial ${serial ?? "none"}, at ${path}`);
  return { link, profile };
}

/** No wait would end: a profile may be for boot images alone. */
function noIds(profiles: readonly DeviceProfile[]): FastboopError {
  return new FastboopError({
    kind: "usage",
    action: "Look for a phone in fastboot mode",
    state: `device profile ${profiles.map(({ id }) => id).join(", ")} matches no USB ids`,
    hint: "Add them under match, or write the boot image with -o",
  });
}

/** The one profile that fits; undefined for a phone we know nothing about. */
async function probe(
  link: UsbLink,
  profiles: readonly DeviceProfile[],
  progress: Progress,
  signal: AbortSignal,
): Promise<DeviceProfile | undefined> {
  const [only, ...others] = profiles;
  if (only !== undefined && others.length === 0) return only;
  const client = new FastbootClient(link, { signal, onWarning: (text) => progress.warn(text) });
  return await selectProfile(profiles, link.info, (name) => client.getvar(name));
}
