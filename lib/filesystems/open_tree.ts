import type { ContainerOptions } from "../images/container.ts";
import type { Format } from "../images/sniff.ts";
import type { FileTree } from "../sources/file_tree.ts";
import type { Reader } from "../sources/reader.ts";
import { openCpio } from "./cpio/open_cpio.ts";
import { openErofs } from "./erofs/open_erofs.ts";
import { openExt4 } from "./ext4/open_ext4.ts";
import { openFat } from "./fat/open_fat.ts";
import { openIso9660 } from "./iso9660/open_iso9660.ts";
import { openTar } from "./tar/open_tar.ts";
import { openZip } from "./zip/open_zip.ts";

type Opener = (reader: Reader, options: ContainerOptions) => Promise<FileTree>;

const OPENERS: Partial<Record<Format, Opener>> = {
  cpio: openCpio,
  erofs: openErofs,
  ext4: openExt4,
  fat: openFat,
  iso9660: openIso9660,
  tar: openTar,
  zip: openZip,
};

/** The tree of an image of that format, which owns `reader`; undefined when the format holds no files. */
export async function openTree(
  format: Format,
  reader: Reader,
  options: ContainerOptions,
): Promise<FileTree | undefined> {
  return await OPENERS[format]?.(reader, options);
}
