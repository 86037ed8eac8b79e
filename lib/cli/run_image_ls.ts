/** `image ls`: the names in an image. */
import { printable } from "../bytes/printable.ts";
import { FastboopError } from "../errors/errors.ts";
import type { OpenedImage } from "../filesystems/open_image.ts";
import type { Entry, FileTree } from "../sources/file_tree.ts";
import type { CommandContext, Options } from "./command.ts";
import { entryJson, entryLine } from "./entry_line.ts";
import { findInImage } from "./image_path.ts";
import { LineOutput } from "./line_output.ts";
import { partitionLines } from "./partition_lines.ts";
import { withImage } from "./with_image.ts";

/** A damaged image's directory may contain itself. */
const MAX_DEPTH = 256;
const MAX_ENTRIES = 4_000_000;

export async function runImageLs(
  [file, path = ""]: string[],
  options: Options,
  context: CommandContext,
): Promise<number> {
  await withImage(file!, options, context, async (image) => {
    const output = new LineOutput(context.signal);
    const isJson = options["json"] === true;
    if (image.partitions !== undefined) await listPartitions(image, output, isJson, path);
    else {
      const listing = new Listing(await image.openTree(), output, isJson);
      await listing.run(path, options["recursive"] === true);
    }
    await output.flush();
  });
  return 0;
}

async function listPartitions(
  { partitions = [], format }: OpenedImage,
  output: LineOutput,
  isJson: boolean,
  path: string,
): Promise<void> {
  if (path !== "") {
    throw new FastboopError({
      kind: "usage",
      action: `List "${printable(path)}" of the image`,
      state: "it is a disk, and none of its partitions is clearly the root",
      hint: "Name a partition with --partition; image ls without a path lists them",
    });
  }
  const lines = isJson ? [JSON.stringify({ format, partitions })] : partitionLines(partitions);
  for (const line of lines) await output.line(line);
}

class Listing {
  readonly #tree: FileTree;
  readonly #output: LineOutput;
  readonly #isJson: boolean;
  #count = 0;

  constructor(tree: FileTree, output: LineOutput, isJson: boolean) {
    this.#tree = tree;
    this.#output = output;
    this.#isJson = isJson;
  }

  async run(word: string, isRecursive: boolean): Promise<void> {
    const { path, entry } = await findInImage(this.#tree, word, true);
    if (entry.kind !== "directory") await this.#tell(entry, path, word);
    else await this.#directory(path, isRecursive, 0, "");
    if (this.#isJson) await this.#output.line(this.#count === 0 ? "[]" : "]");
  }

  /** `shown` is the directory's path below the one asked for. */
  async #directory(path: string, isRecursive: boolean, depth: number, shown: string) {
    for (const entry of await this.#tree.list(path)) {
      const shownPath = shown === "" ? entry.name : `${shown}/${entry.name}`;
      const entryPath = path === "" ? entry.name : `${path}/${entry.name}`;
      await this.#tell(entry, entryPath, shownPath);
      if (!isRecursive || entry.kind !== "directory") continue;
      if (depth >= MAX_DEPTH) throw tooMuch(`directories are more than ${MAX_DEPTH} deep`);
      await this.#directory(entryPath, true, depth + 1, shownPath);
    }
  }

  async #tell(entry: Entry, path: string, shown: string): Promise<void> {
    if (++this.#count > MAX_ENTRIES) throw tooMuch(`there are more than ${MAX_ENTRIES} names`);
    if (!this.#isJson) return await this.#output.line(entryLine(entry, shown));
    const json = JSON.stringify(entryJson(entry, path));
    await this.#output.line(`${this.#count === 1 ? "[\n" : ","}${json}`);
  }
}

function tooMuch(state: string): FastboopError {
  return new FastboopError({ kind: "limit", action: "List the image", state });
}
