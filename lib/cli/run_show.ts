/** `show`: what any file is, in a few rows; each kind by the verb or reader that knows it. */
import { printable } from "../bytes/printable.ts";
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import { type Format, sniffFormat } from "../images/sniff.ts";
import { SNIFF_BYTES } from "../images/signatures.ts";
import type { BootProfile } from "../profiles/boot_profile.ts";
import { openSource } from "../sources/open.ts";
import type { Reader } from "../sources/reader.ts";
import type { CommandContext, Options } from "./command.ts";

/** Files read whole: device trees, profiles, ELF files. */
const SMALL_BYTES = 256 << 20;
/** What `inspect` tells with its build stamp. */
const INSPECTED: readonly (Format | undefined)[] = [
  ...["boot-image", "cpio", "arm64-image", "zboot", "bzimage"] as const,
];

type Row = readonly [key: string, value: string];

export async function runShow(
  words: string[],
  options: Options,
  context: CommandContext,
): Promise<number> {
  const [file = ""] = words;
  const { signal } = context;
  const rows = await rowsOf(file, signal);
  if (rows === "inspect") {
    return await (await import("./run_inspect.ts")).runInspect(words, options, context);
  }
  if (rows === undefined) {
    return await (await import("./run_image_info.ts")).runImageInfo(words, options, context);
  }
  if (options["json"] === true) console.log(JSON.stringify(Object.fromEntries(rows)));
  else {
    const width = Math.max(...rows.map(([key]) => key.length));
    for (const [key, value] of rows) console.log(`${key.padEnd(width)}  ${printable(value)}`);
  }
  return 0;
}

/** Undefined for images, which `image info` tells. */
async function rowsOf(
  file: string,
  signal: AbortSignal,
): Promise<readonly Row[] | "inspect" | undefined> {
  await using reader = await openSource(file, { signal });
  if (/\.ya?ml$/i.test(file)) return await showManifest(await whole(reader, signal), file, reader);
  const head = new Uint8Array(Math.min(SNIFF_BYTES, reader.sizeBytes));
  await reader.readAt(0, head, { signal });
  const format = sniffFormat(head, reader.sizeBytes);
  if (!/^https?:/i.test(file) && await isInspected(format, reader)) return "inspect";
  switch (format) {
    case "fdt":
      return await showDeviceTree(await whole(reader, signal), file);
    case "elf":
      return showElf(head, reader);
    case "boot-profile":
      return await showProfile(await whole(reader, signal), reader);
    case "channel":
      return await showChannel(await whole(reader, signal), file);
    case "pipeline":
    case "pipeline-hints":
    case "device-profile":
    case "profile-bundle":
      return [["kind", `${format}, ${formatSize(reader.sizeBytes)}`]];
    default:
      return undefined;
  }
}

/** gzip is a kernel's, an initramfs' or an image's: its first bytes inside decide. */
async function isInspected(format: Format | undefined, reader: Reader): Promise<boolean> {
  if (INSPECTED.includes(format)) return true;
  if (!["gzip", "xz", "zstd", "lz4", "bzip2"].includes(format ?? "")) return false;
  if (reader.sizeBytes > SMALL_BYTES) return false;
  const { inspect } = await import("../boot/inspect.ts");
  try {
    await inspect(reader);
    return true;
  } catch (error) {
    if (error instanceof FastboopError) return false;
    throw error;
  }
}

async function whole(reader: Reader, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  if (reader.sizeBytes > SMALL_BYTES) {
    const state = `it has ${reader.sizeBytes} bytes, the limit is ${SMALL_BYTES}`;
    throw new FastboopError({ kind: "limit", action: "Read the file", state });
  }
  const bytes = new Uint8Array(reader.sizeBytes);
  await reader.readAt(0, bytes, { signal });
  return bytes;
}

async function showDeviceTree(bytes: Uint8Array, file: string): Promise<Row[]> {
  const { parseFdt } = await import("../devicetree/parse_fdt.ts");
  const { root } = parseFdt(bytes, file);
  const words = (name: string) => {
    const value = root.properties.get(name);
    return value && new TextDecoder().decode(value).split("\0").filter(Boolean).join(", ");
  };
  const rows: Row[] = [["kind", `device tree, ${formatSize(bytes.length)}`]];
  rows.push(["model", words("model") ?? "(none)"], ["compatible", words("compatible") ?? "(none)"]);
  return rows;
}

/** e_type and e_machine of the ELF header (elf.h). */
function showElf(head: Uint8Array, reader: Reader): Row[] {
  const view = new DataView(head.buffer);
  const isBig = head[5] === 2;
  const type = head.length < 20 ? 0 : view.getUint16(16, !isBig);
  const machine = head.length < 20 ? 0 : view.getUint16(18, !isBig);
  const types: Record<number, string> = {
    1: "relocatable",
    2: "executable",
    3: "shared object",
    4: "core file",
  };
  const machines: Record<number, string> = { 3: "x86", 40: "arm", 62: "x86_64", 183: "aarch64" };
  return [
    ["kind", `ELF, ${formatSize(reader.sizeBytes)}`],
    ["type", types[type] ?? `type ${type}`],
    ["machine", machines[machine] ?? `machine ${machine}`],
  ];
}

async function showManifest(bytes: Uint8Array, file: string, reader: Reader): Promise<Row[]> {
  const { parseBootProfile } = await import("../profiles/boot/parse_boot_profile.ts");
  const readOverlay = () => Promise.resolve(new Uint8Array());
  return await profileRows(
    await parseBootProfile(new TextDecoder().decode(bytes), file, { readOverlay }),
    reader,
  );
}

async function showProfile(bytes: Uint8Array, reader: Reader): Promise<Row[]> {
  const { decodeBootProfile } = await import("../profiles/boot/decode_boot_profile.ts");
  return await profileRows(decodeBootProfile(bytes).profile, reader);
}

async function profileRows(profile: BootProfile, reader: Reader): Promise<Row[]> {
  const { pipelineIdentity } = await import("../images/pipeline/pipeline_identity.ts");
  const rows: Row[] = [["kind", `boot profile, ${formatSize(reader.sizeBytes)}`]];
  rows.push(["id", profile.id]);
  if (profile.displayName !== undefined) rows.push(["name", profile.displayName]);
  for (const part of ["rootfs", "kernel", "dtbs"] as const) {
    const source = profile[part];
    if (source === undefined) continue;
    rows.push([part, `${source.filesystem} of ${pipelineIdentity(source.pipeline)}`]);
  }
  return rows;
}

async function showChannel(bytes: Uint8Array, file: string): Promise<Row[]> {
  const { parseChannel } = await import("../profiles/boot/parse_channel.ts");
  const channel = parseChannel(bytes, file);
  const rows: Row[] = [["kind", `channel, ${formatSize(bytes.length)}`]];
  rows.push(["boot profiles", channel.bootProfiles.map(({ id }) => id).join(", ") || "(none)"]);
  rows.push(["device profiles", String(channel.deviceProfiles.length)]);
  rows.push(["hints", `for ${channel.hints.size} stages`]);
  if (bytes.length > channel.headBytes) {
    rows.push(["artifact", formatSize(bytes.length - channel.headBytes)]);
  }
  return rows;
}
