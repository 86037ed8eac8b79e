import type { FileTree } from "../../sources/file_tree.ts";
import type { Reader } from "../../sources/reader.ts";
import { damaged } from "../damaged.ts";
import { ImageTree } from "../image_tree.ts";
import { IsoVolume, rockRidgeSkip } from "./iso_volume.ts";
import { readVolumeDescriptors } from "./volume_descriptor.ts";

/**
 * Opens an ISO 9660 image as a FileTree. The tree owns `reader` and disposes it; when opening fails the reader
 * stays the caller's.
 *
 * Shape: Rock Ridge names, modes, links, devices and times, else Joliet names, else plain ones in lower case;
 * files of several extents, directories that were moved up. A file is a window of the image.
 *
 * @throws {FastboopError} `corrupt`, `limit`, `unsupported`. So do the tree's own calls, since directories are
 * read when they are asked for.
 */
export async function openIso9660(reader: Reader): Promise<FileTree> {
  const action = `Open the ISO 9660 image ${reader.identity}`;
  const { primary, joliet } = await readVolumeDescriptors(action, reader);
  if (primary.volumeBytes > reader.sizeBytes) {
    throw damaged(action, `it has ${reader.sizeBytes} of ${primary.volumeBytes} bytes`);
  }
  const skip = await rockRidgeSkip(action, reader, primary);
  if (skip !== undefined) return new ImageTree(new IsoVolume(reader, primary, skip));
  return new ImageTree(new IsoVolume(reader, joliet ?? primary, undefined));
}
