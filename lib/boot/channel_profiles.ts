/** Which of the profiles in what the user named a boot is made with. */
import { printable } from "../bytes/printable.ts";
import { FastboopError } from "../errors/errors.ts";
import { chooseBootProfile } from "../profiles/boot/choose_boot_profile.ts";
import type { BootProfile } from "../profiles/boot_profile.ts";
import type { DeviceProfile } from "../profiles/device_profile.ts";
import { ImageSources, type ImageSourcesOptions } from "./image_sources.ts";
import { type ChannelContent, readChannel } from "./read_channel.ts";
import type { BootRequest } from "./request.ts";

export interface ChannelProfiles {
  /** Absent for an image without one. */
  readonly bootProfile?: BootProfile;
  /** Profiles of devices that a channel brought. */
  readonly deviceProfiles: readonly DeviceProfile[];
}

type ChannelRequest = Pick<BootRequest, "rootfs" | "bootProfile" | "deviceProfile">;

/** @throws {FastboopError} `usage` when the named boot profile is not there or none can be chosen. */
export function channelProfiles(
  channel: ChannelContent | undefined,
  { rootfs, bootProfile: id, deviceProfile: deviceId }: ChannelRequest,
  onWarning: (text: string) => void,
): ChannelProfiles {
  const deviceProfiles = (channel?.deviceProfiles ?? []).flatMap(({ id, profile, problem }) => {
    if (profile === undefined) {
      onWarning(`device profile ${printable(id)} of the channel: ${problem}`);
    }
    return profile === undefined ? [] : [profile];
  });
  if (channel !== undefined && channel.bootProfiles.length > 0) {
    const bootProfile = chooseBootProfile(channel.bootProfiles, { id, deviceId });
    return { bootProfile, deviceProfiles };
  }
  if (id === undefined) return { deviceProfiles };
  throw new FastboopError({
    kind: "usage",
    action: `Use boot profile "${printable(id)}"`,
    state: `there is no boot profile in "${printable(rootfs)}"`,
    hint: "Leave --boot-profile out",
  });
}

/** The same of a path or URL, of which no more than the profiles is read. */
export async function readChannelProfiles(
  request: ChannelRequest,
  options: ImageSourcesOptions,
): Promise<ChannelProfiles> {
  await using sources = new ImageSources(options);
  await using named = await sources.open(request.rootfs);
  const channel = await readChannel(named, request.rootfs, options.signal);
  return channelProfiles(channel, request, options.progress.warn);
}
