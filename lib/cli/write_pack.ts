/** A packed tree -> a cpio archive, an ext4 image or a directory; whole or not at all. */
import { FastboopError } from "../errors/errors.ts";
import { cpioEntries } from "../filesystems/cpio/cpio_entries.ts";
import { writeCpio } from "../filesystems/cpio/write_cpio.ts";
import { Ext4Image } from "../filesystems/ext4/image.ts";
import { layoutExt4 } from "../filesystems/ext4/layout.ts";
import { writeExt4 } from "../filesystems/ext4/write.ts";
import type { FileTree } from "../sources/file_tree.ts";
import { openOutputFile } from "../sources/output_file.ts";
import type { CommandContext, Options } from "./command.ts";
import { interruptible } from "./interruptible.ts";
import { outputPath } from "./output_path.ts";

export interface PackFormat {
  readonly kind: "cpio" | "ext4" | "dir";
  readonly path: string;
}

const MODULES_LABEL = "fastboop-modules";
const COPY_BYTES = 1 << 20;

/**
 * `--format`, else told by the output's name: `.cpio`, `.img` or `.ext4`, or a trailing slash.
 *
 * @throws {FastboopError} `usage` when neither says it.
 */
export function packFormat(options: Options): PackFormat {
  const path = outputPath(options);
  const kind = options["format"] ??
    (path.endsWith("/")
      ? "dir"
      : /\.cpio$/.test(path)
      ? "cpio"
      : /\.(img|ext4)$/.test(path)
      ? "ext4"
      : undefined);
  if (kind === "cpio" || kind === "ext4" || (kind === "dir" && path !== "-")) return { kind, path };
  throw new FastboopError({
    kind: "usage",
    action: "Choose the format of the pack",
    state: kind === undefined ? `"${path}" does not tell it` : `"${kind}" is none for "${path}"`,
    hint: "Name the output FILE.cpio, FILE.img or DIR/, or pass --format cpio, ext4 or dir",
  });
}

/** @throws {FastboopError} `usage` when the directory is there already; what writing throws. */
export async function writePack(
  tree: FileTree,
  { kind, path }: PackFormat,
  { signal }: CommandContext,
): Promise<void> {
  if (kind === "dir") return await writeDirectory(tree, path.replace(/(?<=.)\/+$/, ""), signal);
  await using output = openOutputFile(path);
  const sink = interruptible(output, "Write the pack", signal);
  if (kind === "cpio") {
    await writeCpio(await cpioEntries(tree, { signal }), sink, { signal, mtimeSeconds: 0 });
  } else {
    await using image = new Ext4Image(await layoutExt4(tree, { label: MODULES_LABEL, signal }));
    await writeExt4(image, sink, { signal });
  }
  output.commit();
}

async function writeDirectory(tree: FileTree, path: string, signal: AbortSignal): Promise<void> {
  const partial = `${path}.${crypto.randomUUID().slice(0, 8)}.partial`;
  try {
    Deno.lstatSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw failure(path, error);
    try {
      await copy(tree, "", partial, signal);
      return Deno.renameSync(partial, path);
    } catch (cause) {
      await Deno.remove(partial, { recursive: true }).catch(() => {});
      throw failure(path, cause);
    }
  }
  throw new FastboopError({
    kind: "usage",
    action: `Write directory "${path}"`,
    state: "it is there already",
    hint: "Name a new directory, or remove it first",
  });
}

async function copy(tree: FileTree, at: string, to: string, signal: AbortSignal): Promise<void> {
  Deno.mkdirSync(to);
  for (const entry of await tree.list(at)) {
    const path = at === "" ? entry.name : `${at}/${entry.name}`;
    const target = `${to}/${entry.name}`;
    if (entry.kind === "directory") await copy(tree, path, target, signal);
    else if (entry.kind === "symlink") Deno.symlinkSync(entry.linkTarget!, target);
    else {
      await using reader = await tree.open(path, entry);
      using file = Deno.openSync(target, { write: true, createNew: true, mode: 0o644 });
      for (let offset = 0; offset < reader.sizeBytes; offset += COPY_BYTES) {
        const bytes = new Uint8Array(Math.min(COPY_BYTES, reader.sizeBytes - offset));
        await reader.readAt(offset, bytes, { signal });
        for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
      }
    }
  }
}

function failure(path: string, cause: unknown): FastboopError {
  if (cause instanceof FastboopError) return cause;
  const isDenied = cause instanceof Deno.errors.PermissionDenied ||
    cause instanceof Deno.errors.NotCapable;
  return new FastboopError({
    kind: isDenied ? "permission" : "source",
    action: `Write directory "${path}"`,
    state: cause instanceof Error ? cause.message : String(cause),
    cause,
  });
}
