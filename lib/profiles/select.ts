import { FastboopError } from "../errors/errors.ts";
import type { DeviceProfile, UsbIds } from "./device_profile.ts";
import { matchProfiles } from "./match.ts";
import { type Getvar, Prober } from "./probe.ts";

/**
 * The one profile whose ids and questions fit a device; undefined when none does.
 *
 * @throws {FastboopError} `usage` when several fit: only the user can tell them apart. What `getvar`
 * throws passes through.
 */
export async function selectProfile(
  profiles: readonly DeviceProfile[],
  ids: UsbIds,
  getvar: Getvar,
): Promise<DeviceProfile | undefined> {
  const prober = new Prober(getvar);
  const fitting: DeviceProfile[] = [];
  for (const profile of matchProfiles(profiles, ids)) {
    if (await prober.fits(profile)) fitting.push(profile);
  }
  if (fitting.length <= 1) return fitting[0];
  const names = fitting.map(({ id, displayName }) => displayName ? `${id} (${displayName})` : id);
  throw new FastboopError({
    kind: "usage",
    action: "Choose the device profile",
    state: `the bootloader answers alike for ${names.join(" and ")}`,
    hint: `Pass --device-profile with one of ${fitting.map(({ id }) => id).join(", ")}`,
  });
}

/**
 * The profile of an id, for `--device-profile`.
 *
 * @throws {FastboopError} `usage` with the ids there are.
 */
export function profileById(profiles: readonly DeviceProfile[], id: string): DeviceProfile {
  const found = profiles.find((profile) => profile.id === id);
  if (found) return found;
  throw new FastboopError({
    kind: "usage",
    action: "Choose the device profile",
    state: `there is none named "${id}"`,
    hint: `The profiles are ${profiles.map((profile) => profile.id).sort().join(", ")}`,
  });
}
