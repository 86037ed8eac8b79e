/** `image cat`: a file of an image on standard output. */
import { FastboopError } from "../errors/errors.ts";
import { openOutputFile } from "../sources/output_file.ts";
import type { CommandContext, Options } from "./command.ts";
import { findInImage } from "./image_path.ts";
import { interruptible } from "./interruptible.ts";
import { withImage } from "./with_image.ts";

const PIECE_BYTES = 1 << 20;

export async function runImageCat(
  [file, path]: string[],
  options: Options,
  context: CommandContext,
): Promise<number> {
  const { signal } = context;
  await withImage(file!, options, context, async (image) => {
    const tree = await image.openTree();
    const found = await findInImage(tree, path!, true);
    await using reader = await tree.open(found.path, found.entry);
    await using output = openOutputFile("-");
    const sink = interruptible(output, "Write the file", signal);
    for (let at = 0; at < reader.sizeBytes; at += PIECE_BYTES) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, reader.sizeBytes - at));
      await reader.readAt(at, piece, { signal });
      if (at === 0) refuseBinary(piece);
      await sink.write(piece);
    }
    output.commit();
  });
  return 0;
}

function refuseBinary(piece: Uint8Array): void {
  // Text has no NUL, and no escape sequences a terminal would obey.
  const isBinary = piece.subarray(0, 8192).some((byte) => byte === 0 || byte === 0x1b);
  if (!isBinary || !Deno.stdout.isTerminal()) return;
  throw new FastboopError({
    kind: "usage",
    action: "Write to standard output",
    state: "it is a terminal, and the file is not plain text",
    hint: "Redirect the output",
  });
}
