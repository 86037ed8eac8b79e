/**
 * What a directory record says about its file. FAT has neither owners nor modes nor a time zone: files
 * are root's, 644 or with the read-only bit 444 (directories 755, 555), and the local time of whoever
 * wrote them is taken as UTC. Source: fatgen103; Linux fs/fat/misc.c for dates of 0.
 */
import type { ImageInode } from "../image_tree.ts";

export const RECORD_BYTES = 32;

export const ATTRIBUTE = {
  READ_ONLY: 0x01,
  VOLUME: 0x08,
  DIRECTORY: 0x10,
  LONG: 0x0f,
  LONG_MASK: 0x3f,
} as const;

/** A file or directory; `ref` is the offset of its record in the image, the root's is 0. */
export interface FatInode extends ImageInode {
  readonly firstCluster: number;
}

/** The root has no record. */
export function rootInode(firstCluster: number): FatInode {
  return { ...common(0, "directory", false), sizeBytes: 0, mtimeSeconds: 0, firstCluster };
}

/** `wide`: the volume is FAT32, in the others the upper half of the cluster means something else. */
export function parseRecord(ref: number, record: Uint8Array, wide: boolean): FatInode {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const attributes = view.getUint8(11);
  const isDirectory = (attributes & ATTRIBUTE.DIRECTORY) !== 0;
  const high = wide ? view.getUint16(20, true) * 0x1_0000 : 0;
  return {
    ...common(
      ref,
      isDirectory ? "directory" : "file",
      (attributes & ATTRIBUTE.READ_ONLY) !== 0,
    ),
    sizeBytes: isDirectory ? 0 : view.getUint32(28, true),
    mtimeSeconds: secondsOf(view.getUint16(24, true), view.getUint16(22, true)),
    firstCluster: (high + view.getUint16(26, true)) % 0x1000_0000,
  };
}

function common(ref: number, kind: "file" | "directory", readOnly: boolean) {
  const mode = (kind === "directory" ? 0o755 : 0o644) & (readOnly ? 0o555 : 0o777);
  return { ref, kind, mode, uid: 0, gid: 0, linkCount: 1, mtimeNanoseconds: 0 };
}

/** 7 bits year from 1980, 4 month, 5 day; 5 hour, 6 minute, 5 half seconds. Month and day may be 0. */
function secondsOf(date: number, time: number): number {
  const month = Math.max(1, (date >>> 5) & 15);
  const day = Math.max(1, date & 31);
  const milliseconds = Date.UTC(
    1980 + (date >>> 9),
    month - 1,
    day,
    time >>> 11,
    (time >>> 5) & 63,
    (time & 31) * 2,
  );
  return milliseconds / 1000;
}
