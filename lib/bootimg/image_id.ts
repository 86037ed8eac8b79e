import { createHash } from "node:crypto";
import type { HeaderVersion } from "./layout.ts";

/** A section as one array or as parts in order. */
export type Section = Uint8Array | readonly Uint8Array[];

/** The sections that enter the id; an absent one counts as empty. */
export interface Sections {
  kernel: Section;
  ramdisk: Section;
  second?: Section | undefined;
  recoveryDtbo?: Section | undefined;
  dtb?: Section | undefined;
}

/** Parts of a section in order. */
export function partsOf(section: Section | undefined): readonly Uint8Array[] {
  if (section === undefined) return [];
  return section instanceof Uint8Array ? [section] : section;
}

export function sizeOf(section: Section | undefined): number {
  return partsOf(section).reduce((sum, part) => sum + part.length, 0);
}

/** The image's id: SHA-1 (20 bytes) over each section followed by its size as u32, as mkbootimg does. */
export function imageId(headerVersion: HeaderVersion, sections: Sections): Uint8Array {
  const hash = createHash("sha1");
  const order = [sections.kernel, sections.ramdisk, sections.second];
  if (headerVersion >= 1) order.push(sections.recoveryDtbo);
  if (headerVersion >= 2) order.push(sections.dtb);
  const size = new DataView(new ArrayBuffer(4));
  for (const section of order) {
    for (const part of partsOf(section)) hash.update(part);
    size.setUint32(0, sizeOf(section), true);
    hash.update(new Uint8Array(size.buffer));
  }
  return new Uint8Array(hash.digest());
}
