import { profileById } from "../profiles/select.ts";
import type { DeviceProfile } from "../profiles/device_profile.ts";
import type { BootInput } from "./open_input.ts";
import type { BootRequest } from "./request.ts";

/**
 * The profiles a phone may have: those there are, and those of the channel under other ids; the one that the user
 * names alone.
 *
 * @throws {FastboopError} `usage` with the ids there are.
 */
export function deviceProfiles(
  known: readonly DeviceProfile[],
  input: Pick<BootInput, "deviceProfiles">,
  { deviceProfile }: Pick<BootRequest, "deviceProfile">,
): readonly DeviceProfile[] {
  const ids = new Set(known.map(({ id }) => id));
  const all = [...known, ...input.deviceProfiles.filter(({ id }) => !ids.has(id))];
  return deviceProfile === undefined ? all : [profileById(all, deviceProfile)];
}
