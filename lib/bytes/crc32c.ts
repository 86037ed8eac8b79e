/**
 * CRC-32C (Castagnoli), reflected polynomial 0x82F63B78, sixteen table look-ups per step.
 *
 * `updateCrc32c` works on the raw register without the usual first and last inversion, as ext4 stores
 * it (fs/ext4/ext4.h, ext4_chksum); `crc32c` is the textbook value of RFC 3720 appendix B.4.
 */

const POLYNOMIAL = 0x82f63b78;
const LANES = 16;

/** Table k at 256*k: the effect of a byte that is followed by k zero bytes. */
function buildTables(): Int32Array {
  const tables = new Int32Array(256 * LANES);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? POLYNOMIAL : 0);
    tables[byte] = value;
  }
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256]!;
    tables[i] = (before >>> 8) ^ tables[before & 255]!;
  }
  return tables;
}

const T = buildTables();
const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** One 32-bit word, with `after` further words of the same step behind it. */
function word(value: number, after: number): number {
  const base = after * 1024;
  return T[base + 768 + (value & 255)]! ^ T[base + 512 + ((value >>> 8) & 255)]! ^
    T[base + 256 + ((value >>> 16) & 255)]! ^ T[base + (value >>> 24)]!;
}

/** The register (u32) after `bytes`; start with 0xFFFFFFFF, no inversion is applied. */
export function updateCrc32c(register: number, bytes: Uint8Array): number {
  let value = register | 0;
  let position = 0;
  if (LITTLE_ENDIAN && (bytes.byteOffset & 3) === 0 && bytes.length >= 16) {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    const end = words.length & ~3;
    for (let i = 0; i < end; i += 4) {
      value = word(value ^ words[i]!, 3) ^ word(words[i + 1]!, 2) ^ word(words[i + 2]!, 1) ^
        word(words[i + 3]!, 0);
    }
    position = end * 4;
  }
  for (; position < bytes.length; position++) {
    value = (value >>> 8) ^ T[(value ^ bytes[position]!) & 255]!;
  }
  return value >>> 0;
}

/** The usual CRC-32C of `bytes` (u32): `crc32c("123456789")` is 0xE3069283. */
export function crc32c(bytes: Uint8Array): number {
  return ~updateCrc32c(0xffffffff, bytes) >>> 0;
}
