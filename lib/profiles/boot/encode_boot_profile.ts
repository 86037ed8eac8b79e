/**
 * A boot profile -> its compiled record, as upstream writes it. Source: fastboop-cli.md 3.7.
 *
 * Shape: `FBOOPROF`, u16 version 0, postcard. The same value always gives the same bytes: devices by id.
 */
import { compareUtf8 } from "../../bytes/compare.ts";
import { PostcardWriter } from "../../bytes/postcard.ts";
import { writePipeline } from "../../images/pipeline/encode_pipeline.ts";
import type {
  ArtifactFile,
  ArtifactSource,
  BootProfile,
  BootProfileDevice,
} from "../boot_profile.ts";

export const BOOT_PROFILE_MAGIC = "FBOOPROF";
/** Tag of a source: 0 is ostree, which holds one of FILESYSTEM_TAGS. */
export const SOURCE_TAGS = { ostree: 0, erofs: 1, ext4: 2, fat: 3 } as const;
export const OSTREE_FILESYSTEMS = ["erofs", "ext4", "fat"] as const;

export function encodeBootProfile(profile: BootProfile): Uint8Array<ArrayBuffer> {
  const writer = new PostcardWriter();
  const text = (value: string) => writer.string(value);
  writer.raw(new TextEncoder().encode(BOOT_PROFILE_MAGIC));
  writer.raw(Uint8Array.of(0, 0));
  writer.string(profile.id);
  writer.option(profile.displayName, text);
  writeSource(writer, profile.rootfs);
  writer.option(profile.kernel, (file) => writeFile(writer, file));
  writer.option(profile.dtbs, (file) => writeFile(writer, file));
  writer.list(profile.dtOverlays, (overlay) => writer.bytes(overlay));
  writer.option(profile.extraCmdline, text);
  writer.list(profile.stage0.kernelModules, text);
  const devices = [...profile.stage0.devices].sort(([a], [b]) => compareUtf8(a, b));
  writer.list(devices, ([id, device]) => {
    writer.string(id);
    writeDevice(writer, device);
  });
  return writer.finish();
}

function writeFile(writer: PostcardWriter, file: ArtifactFile): void {
  writer.string(file.path);
  writeSource(writer, file);
}

function writeSource(writer: PostcardWriter, source: ArtifactSource): void {
  if (source.isOstree) {
    writer.varint(SOURCE_TAGS.ostree);
    writer.varint(OSTREE_FILESYSTEMS.indexOf(source.filesystem));
  } else writer.varint(SOURCE_TAGS[source.filesystem]);
  writePipeline(writer, source.pipeline);
}

function writeDevice(writer: PostcardWriter, device: BootProfileDevice): void {
  const text = (value: string) => writer.string(value);
  writer.list(device.dtOverlays, (overlay) => writer.bytes(overlay));
  writer.option(device.extraCmdline, text);
  writer.list(device.kernelModules, text);
  writer.option(device.injectMac, ({ wifi, bluetooth }) => {
    writer.option(wifi, text);
    writer.option(bluetooth, text);
  });
}
