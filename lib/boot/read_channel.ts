/** Whether what the user named holds boot profiles, and which. */
import { printable } from "../bytes/printable.ts";
import { FastboopError } from "../errors/errors.ts";
import type { Hint } from "../images/pipeline/hints.ts";
import { MAX_OVERLAY_BYTES } from "../profiles/boot/boot_profile_rules.ts";
import type { DeviceProfileRecord } from "../profiles/boot/decode_device_profile.ts";
import { parseBootProfile } from "../profiles/boot/parse_boot_profile.ts";
import { CHANNEL_HEAD_BYTES, isChannel, parseChannel } from "../profiles/boot/parse_channel.ts";
import type { BootProfile } from "../profiles/boot_profile.ts";
import { openFile } from "../sources/file.ts";
import type { Reader } from "../sources/reader.ts";
import { isUrl } from "./is_url.ts";
import { refuseLocalFile } from "./refuse_local_files.ts";

const MAX_MANIFEST_BYTES = 1 << 20;
const MAGIC_BYTES = 8;
/** Most channels are smaller; one with an image behind it is not read whole. */
const FIRST_BYTES = 1 << 20;

export interface ChannelContent {
  readonly bootProfiles: readonly BootProfile[];
  readonly deviceProfiles: readonly DeviceProfileRecord[];
  readonly hints: ReadonlyMap<string, readonly Hint[]>;
  /** Where the records end; an image may follow. */
  readonly headBytes: number;
}

/**
 * The profiles in `source`: a compiled one, a channel, or by its name (`.yaml`, `.yml`, `.json`) a manifest.
 * Undefined when it is something else.
 *
 * @throws {FastboopError} `corrupt`, `limit`, `unsupported`; what the source throws.
 */
export async function readChannel(
  source: Reader,
  name: string,
  signal: AbortSignal,
): Promise<ChannelContent | undefined> {
  const what = `"${printable(name)}"`;
  if (/\.(ya?ml|json)$/i.test(name.replace(/[?#].*$/s, ""))) {
    const text = new TextDecoder().decode(await start(source, MAX_MANIFEST_BYTES + 1, signal));
    const profile = await parseBootProfile(text, what, {
      readOverlay: isUrl(name) ? async (path) => await refuseLocalFile(path) : readOverlay,
    });
    return { bootProfiles: [profile], deviceProfiles: [], hints: new Map(), headBytes: 0 };
  }
  if (!isChannel(await start(source, MAGIC_BYTES, signal))) return undefined;
  const most = Math.min(source.sizeBytes, CHANNEL_HEAD_BYTES);
  for (let length = FIRST_BYTES;; length *= 8) {
    const bytes = await start(source, length, signal);
    try {
      const channel = parseChannel(bytes, what);
      // Whether another record follows, its first bytes tell.
      const isWhole = bytes.length - channel.headBytes >= MAGIC_BYTES || length >= most;
      if (isWhole) return channel;
    } catch (error) {
      const isCut = error instanceof FastboopError && error.kind === "corrupt" && length < most;
      if (!isCut) throw error;
    }
  }
}

async function start(
  source: Reader,
  mostBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(Math.min(source.sizeBytes, mostBytes));
  await source.readAt(0, bytes, { signal });
  return bytes;
}

/** A `.dtbo` that a manifest names by its path. */
async function readOverlay(path: string): Promise<Uint8Array> {
  await using reader = await openFile(path);
  if (reader.sizeBytes > MAX_OVERLAY_BYTES) {
    throw new FastboopError({
      kind: "limit",
      action: `Read device tree overlay "${printable(path)}"`,
      state: `it has ${reader.sizeBytes} bytes, the most is ${MAX_OVERLAY_BYTES}`,
    });
  }
  const bytes = new Uint8Array(reader.sizeBytes);
  await reader.readAt(0, bytes);
  return bytes;
}
