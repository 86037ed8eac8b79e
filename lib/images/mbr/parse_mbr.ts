/**
 * Sector 0 of a disk with a DOS partition table, and the records of logical partitions, which look alike.
 *
 *     0x1b8 disk signature   0x1be four entries   0x1fe 55 AA
 *     entry 0 boot flag, 00 or 80   4 type   8 first LBA   12 count of LBAs, 0 when unused
 *
 * Source: struct msdos_partition of Linux include/linux/msdos_partition.h; the rules are those of
 * block/partitions/msdos.c.
 */
const ENTRIES_OFFSET = 0x1be;
const ENTRY_BYTES = 16;
const SIGNATURE_OFFSET = 0x1b8;
/** DOS, Windows 95 with LBA, Linux. */
const EXTENDED_TYPES = [0x05, 0x0f, 0x85];

export interface MbrEntry {
  readonly type: number;
  readonly firstLba: number;
  readonly lbaCount: number;
}

/** All four entries, or undefined when the sector holds no table: other boot sectors end in 55 AA too. */
export function parseMbrEntries(sector: Uint8Array): MbrEntry[] | undefined {
  if (sector.length < 512 || sector[510] !== 0x55 || sector[511] !== 0xaa) return undefined;
  const view = new DataView(sector.buffer, sector.byteOffset, sector.byteLength);
  const entries: MbrEntry[] = [];
  for (let at = ENTRIES_OFFSET; at < 510; at += ENTRY_BYTES) {
    const flag = sector[at]!;
    if (flag !== 0 && flag !== 0x80) return undefined;
    entries.push({
      type: sector[at + 4]!,
      firstLba: view.getUint32(at + 8, true),
      lbaCount: view.getUint32(at + 12, true),
    });
  }
  return entries;
}

/** The number Windows and the PARTUUIDs of Linux know the disk by. */
export function diskSignatureOf(sector: Uint8Array): number {
  const view = new DataView(sector.buffer, sector.byteOffset, sector.byteLength);
  return view.getUint32(SIGNATURE_OFFSET, true);
}

export function isExtended(type: number): boolean {
  return EXTENDED_TYPES.includes(type);
}
