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
  if (named.length !== 1) {
    const ids = (id === undefined && fitting.length > 0 ? fitting : profiles).map((p) => p.id);
    throw new FastboopError({
      kind: "usage",
      action: ACTION,
      state: id !== undefined
        ? `there is none named "${id}"`
        : named.length === 0
        ? `none is for device ${deviceId}`
        : "several fit",
      hint: `Pass --boot-profile with one of ${ids.sort().join(", ")}`,
    });
  }
  if (deviceId !== undefined) checkBootProfile(named[0]!, deviceId);
  return named[0]!;
}

/** @throws {FastboopError} `usage` when the profile is not for the device. */
export function checkBootProfile(profile: BootProfile, deviceId: string): void {
  if (fits(profile, deviceId)) return;
  throw new FastboopError({
    kind: "usage",
    action: ACTION,
    state: `"${profile.id}" is not for device ${deviceId}`,
    hint: `It is for ${[...profile.stage0.devices.keys()].sort().join(", ")}`,
  });
}

function fits({ stage0 }: BootProfile, deviceId: string): boolean {
  return stage0.devices.size === 0 || stage0.devices.has(deviceId);
}
