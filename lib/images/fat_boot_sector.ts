/** FAT's own names in the boot sector: struct fat_boot_sector of include/uapi/linux/msdos_fs.h. */
const SECTOR_BYTES = 512;

/**
 * Whether the sector looks like the boot sector of a FAT file system: the jump, then a parameter block
 * whose fields make sense. The words "FAT16" and so on are not looked at, since nothing depends on them.
 */
export function isFatBootSector(sector: Uint8Array): boolean {
  if (sector.length < SECTOR_BYTES) return false;
  const view = new DataView(sector.buffer, sector.byteOffset, sector.byteLength);
  const sectorBytes = view.getUint16(11, true);
  const jumps = sector[0] === 0xe9 || (sector[0] === 0xeb && sector[2] === 0x90);
  const fatCount = sector[16]!;
  const media = sector[21]!;
  return jumps && sector[510] === 0x55 && sector[511] === 0xaa &&
    [512, 1024, 2048, 4096].includes(sectorBytes) &&
    isPowerOfTwo(sector[13]!) &&
    view.getUint16(14, true) > 0 && (fatCount === 1 || fatCount === 2) &&
    (media === 0xf0 || media >= 0xf8);
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}
