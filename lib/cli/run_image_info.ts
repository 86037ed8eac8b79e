/** `image info`: what an image is, in a few rows. */
import { printable } from "../bytes/printable.ts";
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import { describeVolume, type VolumeWords } from "../filesystems/describe_volume.ts";
import type { OpenedImage } from "../filesystems/open_image.ts";
import { followPath } from "../kernel/firmware/follow_path.ts";
import type { CommandContext, Options } from "./command.ts";
import { partitionLines } from "./partition_lines.ts";
import { withImage } from "./with_image.ts";

interface ImageFacts {
  readonly steps: readonly string[];
  readonly format: string;
  readonly sizeBytes: number;
  readonly blockSizeBytes?: number;
  readonly volume?: VolumeWords;
  readonly kernels: readonly string[];
  /** Why its files cannot be listed. */
  readonly unreadable?: string;
  readonly partitions?: OpenedImage["partitions"];
}

export async function runImageInfo(
  [file]: string[],
  options: Options,
  context: CommandContext,
): Promise<number> {
  const facts = await withImage(
    file!,
    options,
    context,
    (image) => imageFacts(image, context.signal),
  );
  if (options["json"] === true) console.log(JSON.stringify(facts));
  else for (const line of describeImage(facts)) console.log(line);
  return 0;
}

/** What can be told without reading much. */
async function imageFacts(image: OpenedImage, signal: AbortSignal): Promise<ImageFacts> {
  const { steps, format, reader, blockSizeBytes, partitions } = image;
  const volume = await describeVolume(format, reader, { signal });
  const found = partitions === undefined && format !== undefined
    ? await kernelsIn(image)
    : { kernels: [] };
  return {
    steps,
    format: format ?? "unknown",
    sizeBytes: reader.sizeBytes,
    ...(blockSizeBytes === undefined ? {} : { blockSizeBytes }),
    ...(volume === undefined ? {} : { volume }),
    ...found,
    ...(partitions === undefined ? {} : { partitions }),
  };
}

/** Releases that have a directory of modules. */
async function kernelsIn(image: OpenedImage): Promise<Pick<ImageFacts, "kernels" | "unreadable">> {
  try {
    const tree = await image.openTree();
    const found = await followPath(tree, "lib/modules") ??
      await followPath(tree, "usr/lib/modules");
    if (found?.entry.kind !== "directory") return { kernels: [] };
    const entries = await tree.list(found.path);
    return { kernels: entries.filter(({ kind }) => kind === "directory").map(({ name }) => name) };
  } catch (error) {
    // What the image is can be told all the same.
    const isItsFault = error instanceof FastboopError &&
      ["corrupt", "limit", "unsupported"].includes(error.kind);
    if (!isItsFault) throw error;
    return { kernels: [], unreadable: error.state };
  }
}

function describeImage(facts: ImageFacts): string[] {
  const { steps, format, sizeBytes, blockSizeBytes, volume, kernels, unreadable } = facts;
  const rows: [string, string][] = [];
  if (steps.length > 0) rows.push(["inside", steps.join(", ")]);
  rows.push(["format", format], ["size", `${sizeBytes} bytes, ${formatSize(sizeBytes)}`]);
  if (blockSizeBytes !== undefined) rows.push(["block size", `${blockSizeBytes} bytes`]);
  if (volume !== undefined) {
    rows.push(["label", volume.label || "(none)"], ["uuid", volume.uuid || "(none)"]);
    if (volume.features.length > 0) rows.push(["features", volume.features.join(" ")]);
  }
  if (kernels.length > 0) rows.push(["modules of", kernels.join(", ")]);
  if (unreadable !== undefined) rows.push(["files", `not read: ${unreadable}`]);
  const width = Math.max(...rows.map(([key]) => key.length));
  const lines = rows.map(([key, value]) => `${key.padEnd(width)}  ${printable(value)}`);
  return [...lines, ...facts.partitions === undefined ? [] : partitionLines(facts.partitions)];
}
