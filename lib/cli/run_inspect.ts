/** `inspect`: what a file is and which build it belongs to; with `--verify-only` whether that is still so. */
import { formatSize } from "../bytes/size.ts";
import { printable } from "../bytes/printable.ts";
import type { ChannelProfiles } from "../boot/channel_profiles.ts";
import type { Environment } from "../boot/environment.ts";
import { inspect, type Inspection } from "../boot/inspect.ts";
import type { Progress } from "../boot/progress.ts";
import type { StageVerdict } from "../boot/verify_build.ts";
import { FastboopError } from "../errors/errors.ts";
import type { DeviceProfile } from "../profiles/device_profile.ts";
import { openFile } from "../sources/file.ts";
import { readEnvironment } from "./boot_words.ts";
import type { CommandContext, Options } from "./command.ts";
import { readPhoneFirmware } from "./firmware_words.ts";

/** Exit code of a file that is not what a build would give now. */
const STALE = 3;

export async function runInspect(
  [path]: string[],
  options: Options,
  context: CommandContext,
): Promise<number> {
  await using reader = await openFile(path!);
  const inspection = await inspect(reader);
  const verdicts = options["verifyOnly"] === true
    ? await verify(inspection, options, context)
    : undefined;
  const lines = options["json"] === true
    ? [JSON.stringify(toJson(inspection, verdicts))]
    : [...describe(inspection), ...(verdicts === undefined ? [] : ["", ...table(verdicts)])];
  for (const line of lines) console.log(line);
  return verdicts?.some(({ state }) => state !== "fresh") ? STALE : 0;
}

async function verify(
  inspection: Inspection,
  options: Options,
  { signal, progress }: CommandContext,
): Promise<StageVerdict[]> {
  const { verifyBuild } = await import("../boot/verify_build.ts");
  const word = (name: string) => options[name] as string | undefined;
  const request = {
    kernel: word("kernel") ?? ".",
    firmware: await readPhoneFirmware(options),
    extraModules: options["extraModules"] as string[] | undefined,
    dtb: word("dtb"),
    dtbOverlays: options["dtbo"] as string[] | undefined,
    append: word("append"),
    requireModules: options["requireModule"] as string[] | undefined ?? [],
  };
  const deviceProfile = word("deviceProfile") ?? inspection.stamp?.profile;
  const env = readEnvironment();
  const channel = await channelOf(options, deviceProfile, { env, progress, signal });
  const profile = deviceProfile === undefined
    ? undefined
    : await profileOf(deviceProfile, channel, progress.warn);
  const { bootProfile } = channel;
  return await verifyBuild(inspection, request, { env, profile, bootProfile, signal });
}

/** The profiles that `--rootfs` names. */
async function channelOf(
  options: Options,
  deviceProfile: string | undefined,
  inputs: { env: Environment; progress: Progress; signal: AbortSignal },
): Promise<ChannelProfiles> {
  const { rootfs, bootProfile } = options as { rootfs?: string; bootProfile?: string };
  if (rootfs !== undefined) {
    const { readChannelProfiles } = await import("../boot/channel_profiles.ts");
    return await readChannelProfiles({ rootfs, bootProfile, deviceProfile }, inputs);
  }
  if (bootProfile === undefined) return { deviceProfiles: [] };
  throw new FastboopError({
    kind: "usage",
    action: `Use boot profile "${bootProfile}"`,
    state: "nothing says where it is",
    hint: "Pass --rootfs with the channel",
  });
}

async function profileOf(
  id: string,
  channel: ChannelProfiles,
  onWarning: (text: string) => void,
): Promise<DeviceProfile> {
  const { loadProfiles } = await import("./load_profiles.ts");
  const { deviceProfiles } = await import("../boot/device_profiles.ts");
  return deviceProfiles(await loadProfiles({ onWarning }), channel, { deviceProfile: id })[0]!;
}

function describe(inspection: Inspection): string[] {
  const { kind, sizeBytes, stamp, initramfs, bootImage, banner, modulesImage } = inspection;
  const rows: [string, string][] = [["kind", `${kind}, ${formatSize(sizeBytes)}`]];
  if (banner !== undefined) rows.push(["kernel", banner]);
  if (bootImage !== undefined) {
    const { headerVersion, pageSizeBytes, kernelBytes, ramdiskBytes, dtbBytes } = bootImage;
    rows.push(["header", `version ${headerVersion}, pages of ${pageSizeBytes} bytes`]);
    rows.push(["id", bootImage.idMatches ? "matches the content" : "is not that of the content"]);
    rows.push(["sections", [kernelBytes, ramdiskBytes, dtbBytes].map(formatSize).join(" + ")]);
    rows.push(["command line", bootImage.cmdline || "(empty)"]);
  }
  if (initramfs !== undefined) {
    const { archiveCount, memberCount, compressions } = initramfs;
    const how = compressions.length === 0 ? "not compressed" : compressions.join(", ");
    rows.push(["initramfs", `${memberCount} members in ${archiveCount} archives, ${how}`]);
  }
  if (modulesImage !== undefined) {
    rows.push(["label", modulesImage.label || "(none)"]);
    rows.push(["modules of", modulesImage.releases.join(", ") || "(none)"]);
  }
  for (const [key, value] of inspection.settings) rows.push([key, value]);
  if (stamp === undefined) rows.push(["build stamp", inspection.stampProblem ?? "none"]);
  else {
    rows.push(["made by", stamp.tool], ["release", `${stamp.release}, ${stamp.arch}`]);
    if (stamp.profile !== undefined) rows.push(["profile", stamp.profile]);
    const held: Record<string, string | undefined> = { ...inspection.held };
    for (const [name, digest] of Object.entries(stamp.inputs)) {
      const isOther = held[name] !== undefined && held[name] !== digest;
      rows.push([
        `${name} sha256`,
        isOther ? `${digest}, but the file holds ${held[name]}` : digest,
      ]);
    }
  }
  const width = Math.max(...rows.map(([key]) => key.length));
  return rows.map(([key, value]) => `${printable(key).padEnd(width)}  ${printable(value)}`);
}

function table(verdicts: readonly StageVerdict[]): string[] {
  return verdicts.map(({ stage, state, why }) =>
    printable(`${stage.padEnd(8)}  ${state.padEnd(7)}  ${why}`).trimEnd()
  );
}

function toJson(inspection: Inspection, verdicts: StageVerdict[] | undefined): unknown {
  return {
    ...inspection,
    settings: Object.fromEntries(inspection.settings),
    ...(verdicts === undefined ? {} : {
      fresh: verdicts.every(({ state }) => state === "fresh"),
      stages: verdicts,
    }),
  };
}
