/** `image extract`: files of an image -> a directory. */
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import type { CommandContext, Options } from "./command.ts";
import { type Extracted, extractTree } from "./extract_tree.ts";
import { findInImage } from "./image_path.ts";
import { openMakeNode } from "./make_node.ts";
import { withImage } from "./with_image.ts";

export async function runImageExtract(
  [file, path = ""]: string[],
  options: Options,
  context: CommandContext,
): Promise<number> {
  const { signal, progress } = context;
  const folder = options["directory"];
  if (typeof folder !== "string") {
    throw new FastboopError({
      kind: "usage",
      action: "Extract the image",
      state: "there is no directory to extract into",
      hint: "Name one with -C",
    });
  }
  const isRoot = Deno.uid() === 0;
  const makeNode = isRoot ? openMakeNode() : undefined;
  const extracted = await withImage(file!, options, context, async (image) => {
    const tree = await image.openTree();
    const found = await findInImage(tree, path, false);
    return await extractTree(tree, found.path, found.entry, folder, {
      signal,
      isRoot,
      ...(makeNode === undefined ? {} : { makeNode }),
      onProgress: (count, bytes) => progress.moving(`${count} files, ${formatSize(bytes)}`),
    });
  });
  report(extracted, options["json"] === true, progress.warn);
  return 0;
}

function report(
  { fileCount, bytes, leftOut }: Extracted,
  isJson: boolean,
  warn: (text: string) => void,
) {
  if (isJson) {
    console.log(JSON.stringify({ fileCount, bytes, leftOut: Object.fromEntries(leftOut) }));
  }
  if (leftOut.size === 0) return;
  const parts = [...leftOut].map(([what, count]) => what === "owners" ? what : `${count} ${what}`);
  warn(`left out: ${parts.join(", ")}`);
}
