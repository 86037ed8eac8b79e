/** Which boot profile of a channel is meant. Source: fastboop-cli.md 3.4. */
import { FastboopError } from "../../errors/errors.ts";
import type { BootProfile } from "../boot_profile.ts";

const ACTION = "Choose the boot profile";

/**
 * The profile of that id, or the only one that fits the device; a device not known yet rules none out.
 *
 * @throws {FastboopError} `usage` with the ids there are, when none or several fit.
 */
export function chooseBootProfile(
  profiles: readonly BootProfile[],
  { id, deviceId }: { id?: string | undefined; deviceId?: string | undefined },
): BootProfile {
  const fitting = profiles.filter((profile) => deviceId === undefined || fits(profile, deviceId));
  const named = id === undefined ? fitting : profiles.filter((profile) => profile.id === id);
  const [only, ...others] = named;
  if (only === undefined || others.length > 0) throw unclear(profiles, named, { id, deviceId });
  if (deviceId !== undefined) checkBootProfile(only, deviceId);
  return only;
}

function unclear(
  profiles: readonly BootProfile[],
  named: readonly BootProfile[],
  { id, deviceId }: { id: string | undefined; deviceId: string | undefined },
): FastboopError {
  const fail = (state: string, hint: string) =>
    new FastboopError({ kind: "usage", action: ACTION, state, hint });
  const oneOf = (list: readonly BootProfile[]) =>
    `Pass --boot-profile with one of ${list.map((profile) => profile.id).sort().join(", ")}`;
  if (id !== undefined && named.length > 0) {
    const hint = "Give every profile of the channel an id of its own";
    return fail(`there are ${named.length} named "${id}"`, hint);
  }
  if (id !== undefined) return fail(`there is none named "${id}"`, oneOf(profiles));
  if (named.length > 0) return fail("several fit", oneOf(named));
  return fail(`none is for device ${deviceId}`, `They are for ${devicesOf(profiles)}`);
}

/** @throws {FastboopError} `usage` when the profile is not for the device. */
export function checkBootProfile(profile: BootProfile, deviceId: string): void {
  if (fits(profile, deviceId)) return;
  throw new FastboopError({
    kind: "usage",
    action: ACTION,
    state: `"${profile.id}" is not for device ${deviceId}`,
    hint: `It is for ${devicesOf([profile])}`,
  });
}

function fits({ stage0 }: BootProfile, deviceId: string): boolean {
  return stage0.devices.size === 0 || stage0.devices.has(deviceId);
}

function devicesOf(profiles: readonly BootProfile[]): string {
  const ids = new Set(profiles.flatMap(({ stage0 }) => [...stage0.devices.keys()]));
  return [...ids].sort().join(", ");
}
