import type { DeviceProfile, UsbIds } from "./device_profile.ts";

/** The profiles with a rule for these USB ids, in order. */
export function matchProfiles(
  profiles: readonly DeviceProfile[],
  { vendorId, productId }: UsbIds,
): DeviceProfile[] {
  return profiles.filter(({ match }) =>
    match.some((rule) => rule.vendorId === vendorId && rule.productId === productId)
  );
}
