/** `image ext4` and `image cpio`: a host directory -> one file or stdout. */
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import { DirectoryTree } from "../sources/directory.ts";
import { openOutputFile } from "../sources/output_file.ts";
import { openXattrs } from "../sources/xattr.ts";
import type { CommandContext, Options } from "./command.ts";
import { interruptible } from "./interruptible.ts";
import { outputPath } from "./output_path.ts";

export async function runImageExt4(
  [dir]: string[],
  options: Options,
  { signal, progress }: CommandContext,
): Promise<number> {
  const { layoutExt4 } = await import("../filesystems/ext4/layout.ts");
  const { Ext4Image } = await import("../filesystems/ext4/image.ts");
  const { writeExt4 } = await import("../filesystems/ext4/write.ts");
  const path = outputPath(options);
  const epochSeconds = sourceDateEpoch();
  const tree = openTree(dir!, progress.warn);
  const layout = await layoutExt4(tree, {
    owner: ownerOf(options),
    signal,
    ...(typeof options["label"] === "string" ? { label: options["label"] } : {}),
    ...(epochSeconds === undefined ? {} : { timestamps: { clampSeconds: epochSeconds } }),
  });
  await using image = new Ext4Image(layout);
  await using output = openOutputFile(path);
  await writeExt4(image, interruptible(output, "Write the image", signal), {
    signal,
    onProgress: (done, total) => progress.moving(`${formatSize(done)} of ${formatSize(total)}`),
  });
  output.commit();
  return 0;
}

export async function runImageCpio(
  [dir]: string[],
  options: Options,
  { signal, progress }: CommandContext,
): Promise<number> {
  const { cpioEntries } = await import("../filesystems/cpio/cpio_entries.ts");
  const { writeCpio } = await import("../filesystems/cpio/write_cpio.ts");
  const path = outputPath(options);
  await using tree = openTree(dir!, progress.warn, false);
  await using output = openOutputFile(path);
  const entries = await cpioEntries(tree, { signal });
  const sink = interruptible(output, "Write the archive", signal);
  await writeCpio(entries, sink, { signal, mtimeSeconds: sourceDateEpoch() ?? 0 });
  output.commit();
  return 0;
}

function openTree(dir: string, warn: (text: string) => void, xattrs = true): DirectoryTree {
  return new DirectoryTree(dir, {
    readXattrs: xattrs ? openXattrs(warn) : undefined,
    blockingReads: true,
  });
}

function ownerOf(options: Options): "root" | "source" {
  const owner = options["owner"] ?? "source";
  if (owner === "root" || owner === "source") return owner;
  throw new FastboopError({
    kind: "usage",
    action: "Read --owner",
    state: `"${owner}" is neither root nor source`,
  });
}

/** The reproducible-builds.org variable: no file is shown newer than this. */
function sourceDateEpoch(): number | undefined {
  const text = Deno.env.get("SOURCE_DATE_EPOCH");
  if (text === undefined || text === "") return undefined;
  if (/^\d{1,11}$/.test(text)) return Number(text);
  throw new FastboopError({
    kind: "usage",
    action: "Read SOURCE_DATE_EPOCH",
    state: `"${text}" is not a number of seconds`,
  });
}
