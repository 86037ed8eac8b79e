/** `bootprofile create`, `show` and `optimize`: manifests, compiled boot profiles and their hints. */
import { concat } from "../bytes/concat.ts";
import { printable } from "../bytes/printable.ts";
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import { decodeHintsRecord } from "../images/pipeline/decode_hints.ts";
import { encodeHintsRecord, type StageHints } from "../images/pipeline/encode_hints.ts";
import { digestContent } from "../images/pipeline/hash_content.ts";
import type { Pipeline } from "../images/pipeline/pipeline.ts";
import {
  bootProfileDocument,
  encodeBootProfileYaml,
} from "../profiles/boot/boot_profile_document.ts";
import { MAX_OVERLAY_BYTES } from "../profiles/boot/boot_profile_rules.ts";
import { encodeBootProfile } from "../profiles/boot/encode_boot_profile.ts";
import { fillContent } from "../profiles/boot/fill_content.ts";
import { type Channel, CHANNEL_HEAD_BYTES, parseChannel } from "../profiles/boot/parse_channel.ts";
import { parseBootProfile } from "../profiles/boot/parse_boot_profile.ts";
import { type BootProfile, pipelinesOf } from "../profiles/boot_profile.ts";
import { openFile } from "../sources/file.ts";
import { openOutputFile } from "../sources/output_file.ts";
import type { CommandContext, Options } from "./command.ts";
import { outputPath } from "./output_path.ts";

const MAX_MANIFEST_BYTES = 1 << 20;

export async function runBootprofileCreate(
  [path]: string[],
  options: Options,
  context: CommandContext,
): Promise<number> {
  const to = outputPath(options);
  const { signal, progress } = context;
  const text = decodeText(await readStart(path!, MAX_MANIFEST_BYTES + 1, signal), path!);
  const parsed = await parseBootProfile(text, `"${path}"`, {
    readOverlay: (file) => readWhole(file, MAX_OVERLAY_BYTES, signal),
  });
  const profile = await fillContent(parsed, async (file) => {
    progress.phase(`Hashing ${printable(file)}`);
    await using reader = await openFile(file);
    const { digest, sizeBytes } = await digestContent(reader, { signal });
    return { digest, sizeBytes };
  });
  for (const leaf of undeclaredLeaves(profile)) {
    progress.warn(`${printable(leaf)} has no content: its bytes are not checked against a digest`);
  }
  const record = encodeBootProfile(profile);
  if (options["optimize"] !== true) return await write(to, [record]);
  const hints = await optimize([profile], context);
  return await write(to, [record, ...hintsRecords(hints)]);
}

export async function runBootprofileShow(
  [path]: string[],
  options: Options,
  { signal }: CommandContext,
): Promise<number> {
  const channel = parseChannel(await readStart(path!, CHANNEL_HEAD_BYTES, signal), `"${path}"`);
  if (options["json"] === true) {
    console.log(JSON.stringify(channelDocument(channel), undefined, 2));
    return 0;
  }
  // Notes come without a separator: the text of one profile stays one document, which can be compiled again.
  const documents = channel.bootProfiles.map(encodeBootProfileYaml).join("---\n");
  console.log((documents + notes(channel)).trimEnd());
  return 0;
}

export async function runBootprofileOptimize(
  [path]: string[],
  options: Options,
  context: CommandContext,
): Promise<number> {
  const to = outputPath(options);
  const what = `"${path}"`;
  const isInPlace = await isSameFile(path!, to);
  const bytes = await readStart(path!, CHANNEL_HEAD_BYTES, context.signal);
  const channel = parseChannel(bytes, what);
  if (channel.bootProfiles.length === 0) throw refusal(what, "it holds no boot profile");
  // A rewritten head would no longer fit its index, or the artifact behind it would be lost.
  if (isInPlace && channel.isIndexed) throw refusal(what, "its index would no longer fit");
  if (isInPlace && channel.headBytes < (await sizeOf(path!))) {
    throw refusal(what, "an artifact follows its records");
  }
  const hints = await optimize(channel.bootProfiles, context);
  const kept = !isInPlace ? [] : channel.records
    .filter(({ kind }) => kind !== "pipeline-hints")
    .map(({ offsetBytes, sizeBytes }) => bytes.subarray(offsetBytes, offsetBytes + sizeBytes));
  return await write(to, [...kept, ...hintsRecords(hints)]);
}

async function optimize(
  profiles: readonly BootProfile[],
  { signal, progress }: CommandContext,
): Promise<StageHints> {
  const { optimizePipelines } = await import("../images/pipeline/optimize_pipeline.ts");
  const { stageOpeners } = await import("./stage_openers.ts");
  return await optimizePipelines(profiles.flatMap(pipelinesOf), stageOpeners(), {
    signal,
    onStage: (stage) => progress.phase(`Reading ${stage.kind} of ${printable(leafName(stage))}`),
  });
}

function hintsRecords(hints: StageHints): Uint8Array[] {
  if (hints.size === 0) return [];
  const record = encodeHintsRecord(hints);
  decodeHintsRecord(record); // more than may be read again must not be written
  return [record];
}

async function write(path: string, parts: readonly Uint8Array[]): Promise<number> {
  await using output = openOutputFile(path);
  await output.write(concat(parts));
  output.commit();
  return 0;
}

function undeclaredLeaves(profile: BootProfile): Set<string> {
  const names = new Set<string>();
  for (let stage of pipelinesOf(profile)) {
    while ("source" in stage) stage = stage.source;
    if (stage.content === undefined) names.add(leafName(stage));
  }
  return names;
}

function leafName(stage: Pipeline): string {
  if ("source" in stage) return leafName(stage.source);
  return stage.kind === "http" ? stage.url : stage.kind === "file" ? stage.path : stage.index;
}

function channelDocument({ bootProfiles, deviceProfiles, hints }: Channel) {
  return {
    boot_profiles: bootProfiles.map(bootProfileDocument),
    device_profiles: deviceProfiles.map(({ id, problem }) => ({
      id,
      ...(problem === undefined ? {} : { problem }),
    })),
    hints: [...hints].map(([identity, list]) => ({
      identity,
      kinds: list.map(({ kind }) => kind),
    })),
  };
}

/** As comments: what is no manifest must not look like one. */
function notes({ deviceProfiles, hints }: Channel): string {
  const lines = [
    ...deviceProfiles.map(({ id, problem }) =>
      `device profile ${id}${problem === undefined ? "" : `: ${problem}`}`
    ),
    ...[...hints].map(([identity, list]) =>
      `hints of ${identity}: ${list.map(({ kind }) => kind).join(", ")}`
    ),
  ];
  return lines.map((line) => `# ${printable(line)}\n`).join("");
}

/** The first `mostBytes` of a file, or of standard input for `-`. */
async function readStart(
  path: string,
  mostBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (path === "-") return await readStdin(mostBytes, signal);
  await using reader = await openFile(path);
  const bytes = new Uint8Array(Math.min(reader.sizeBytes, mostBytes));
  await reader.readAt(0, bytes, { signal });
  return bytes;
}

async function readStdin(mostBytes: number, signal: AbortSignal): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  // Whoever writes it may take long: the pipe ends the wait, with the signal's reason.
  const input = Deno.stdin.readable.pipeThrough(new TransformStream<Uint8Array>(), { signal });
  for await (const part of input) {
    parts.push(part);
    sizeBytes += part.length;
    if (sizeBytes >= mostBytes) break;
  }
  return concat(parts).subarray(0, mostBytes);
}

async function readWhole(
  path: string,
  mostBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  await using reader = await openFile(path);
  if (reader.sizeBytes > mostBytes) {
    throw new FastboopError({
      kind: "limit",
      action: `Read "${printable(path)}"`,
      state: `it has ${formatSize(reader.sizeBytes)}, at most ${formatSize(mostBytes)} are read`,
    });
  }
  const bytes = new Uint8Array(reader.sizeBytes);
  await reader.readAt(0, bytes, { signal });
  return bytes;
}

function decodeText(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new FastboopError({
      kind: "corrupt",
      action: `Read "${printable(path)}"`,
      state: "it is no UTF-8 text",
      hint: "A compiled profile is shown by fastboop bootprofile show",
    });
  }
}

async function isSameFile(from: string, to: string): Promise<boolean> {
  if (from === "-" || to === "-") return false;
  try {
    return await Deno.realPath(from) === await Deno.realPath(to);
  } catch {
    return false; // the output is not there yet
  }
}

async function sizeOf(path: string): Promise<number> {
  await using reader = await openFile(path);
  return reader.sizeBytes;
}

function refusal(what: string, state: string): FastboopError {
  return new FastboopError({
    kind: "unsupported",
    action: `Add hints to ${printable(what)}`,
    state,
    hint: "Write the hints to a file of their own with -o",
  });
}
