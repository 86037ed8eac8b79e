import type { FileTree } from "../../sources/file_tree.ts";
import type { Reader } from "../../sources/reader.ts";
import { ImageTree } from "../image_tree.ts";
import { readSuperblock } from "./superblock.ts";
import { ErofsVolume } from "./volume.ts";

/**
 * Opens an EROFS image as a FileTree. The tree owns `reader` and disposes it; when opening fails the
 * reader stays the caller's.
 *
 * Shape: compact and extended inodes; flat, inline, chunked and compressed data (LZ4, MicroLZMA,
 * DEFLATE, Zstandard; full, compact and extent indexes; inline tails, fragments, deduplication);
 * 48-bit addresses, metabox, extended attributes. One device.
 *
 * @throws {FastboopError} `corrupt`, `limit`, or `unsupported` naming what is not read. So do the tree's
 * own calls, since inodes are read when they are asked for.
 */
export async function openErofs(reader: Reader): Promise<FileTree> {
  return new ImageTree(new ErofsVolume(reader, await readSuperblock(reader)));
}
