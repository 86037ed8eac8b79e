/** Reads everything an image holds, as a child process of read_bench.ts: `erofs|ext4|xz|xz-pool FILE`. */
import { openFile } from "../../lib/sources/file.ts";
import type { FileTree } from "../../lib/sources/file_tree.ts";
import type { Reader } from "../../lib/sources/reader.ts";

const PIECE_BYTES = 1 << 20;
const piece = new Uint8Array(PIECE_BYTES);

async function readAll(reader: Reader): Promise<number> {
  for (let at = 0; at < reader.sizeBytes; at += PIECE_BYTES) {
    await reader.readAt(at, piece.subarray(0, reader.sizeBytes - at));
  }
  return reader.sizeBytes;
}

async function readTree(tree: FileTree, folder: string): Promise<number> {
  let sizeBytes = 0;
  for (const entry of await tree.list(folder)) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.kind === "directory") sizeBytes += await readTree(tree, path);
    if (entry.kind !== "file") continue;
    await using reader = await tree.open(path, entry);
    sizeBytes += await readAll(reader);
  }
  return sizeBytes;
}

const [kind, path] = Deno.args;
await using source = await openFile(path!);
// Only the format's own modules are loaded: loading the others is not reading.
if (kind === "xz") {
  const { openXz } = await import("../../lib/images/xz/open_xz.ts");
  await using reader = await openXz(source);
  console.log(await readAll(reader));
} else if (kind === "xz-pool") {
  const { openXz } = await import("../../lib/images/xz/open_xz.ts");
  const { XzPool } = await import("../../lib/images/xz/xz_pool.ts");
  await using pool = new XzPool();
  await using reader = await openXz(source, { decodeXz: pool.decode });
  console.log(await readAll(reader));
} else if (kind === "ext4") {
  const { openExt4 } = await import("../../lib/filesystems/ext4/open_ext4.ts");
  await using tree = await openExt4(source);
  console.log(await readTree(tree, ""));
} else {
  const { openErofs } = await import("../../lib/filesystems/erofs/open_erofs.ts");
  await using tree = await openErofs(source);
  console.log(await readTree(tree, ""));
}
