import type { FileTree } from "../../sources/file_tree.ts";
import type { Reader } from "../../sources/reader.ts";
import { ImageTree } from "../image_tree.ts";
import { readBootSector } from "./boot_sector.ts";
import { FatVolume } from "./volume.ts";

/**
 * Opens a FAT12, FAT16 or FAT32 image as a FileTree. The tree owns `reader` and disposes it; when opening
 * fails the reader stays the caller's.
 *
 * Shape: long names, else short ones with their case bits and code page 437. A path is found without
 * regard to case, by long or short name, as FAT does; listings show names as they are stored. Modes,
 * owners and times are what `record.ts` says. Of several FATs one is read, FSInfo not at all.
 *
 * @throws {FastboopError} `corrupt`, `limit`, or `unsupported` for exFAT, NTFS and later versions. So do
 * the tree's own calls, since directories and chains are read when they are asked for.
 */
export async function openFat(reader: Reader): Promise<FileTree> {
  return new ImageTree(new FatVolume(reader, await readBootSector(reader)));
}
