/** CRC-64 of the .xz format: ECMA-182, reflected, as two halves of 32 bits. */

/** Bytes taken at a time: they are the whole lower half. */
const STEP = 4;
/** The tables of a byte with 0, 1, 2 and 3 bytes behind it, one after the other. */
const TABLE_LOW = new Int32Array(256 * STEP);
const TABLE_HIGH = new Int32Array(256 * STEP);

for (let n = 0; n < 256; n++) {
  let low = n;
  let high = 0;
  for (let bit = 0; bit < 8; bit++) {
    const carry = low & 1;
    low = (low >>> 1) | (high << 31);
    high >>>= 1;
    if (carry === 0) continue;
    low ^= 0xd7870f42;
    high ^= 0xc96c5795;
  }
  TABLE_LOW[n] = low;
  TABLE_HIGH[n] = high;
}
for (let n = 256; n < 256 * STEP; n++) {
  const low = TABLE_LOW[n - 256]!;
  const high = TABLE_HIGH[n - 256]!;
  TABLE_LOW[n] = ((low >>> 8) | (high << 24)) ^ TABLE_LOW[low & 0xff]!;
  TABLE_HIGH[n] = (high >>> 8) ^ TABLE_HIGH[low & 0xff]!;
}

/** The checksum of `bytes`; of `before` and then `bytes` when the checksum of `before` is given. */
export function crc64(bytes: Uint8Array, before = 0n): bigint {
  let low = ~Number(before & 0xffff_ffffn);
  let high = ~Number(before >> 32n);
  let at = 0;
  for (const end = bytes.length - STEP; at <= end; at += STEP) {
    const a = 768 + ((low ^ bytes[at]!) & 0xff);
    const b = 512 + (((low >>> 8) ^ bytes[at + 1]!) & 0xff);
    const c = 256 + (((low >>> 16) ^ bytes[at + 2]!) & 0xff);
    const d = (low >>> 24) ^ bytes[at + 3]!;
    low = high ^ TABLE_LOW[a]! ^ TABLE_LOW[b]! ^ TABLE_LOW[c]! ^ TABLE_LOW[d]!;
    high = TABLE_HIGH[a]! ^ TABLE_HIGH[b]! ^ TABLE_HIGH[c]! ^ TABLE_HIGH[d]!;
  }
  for (; at < bytes.length; at++) {
    const n = (low ^ bytes[at]!) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ TABLE_LOW[n]!;
    high = (high >>> 8) ^ TABLE_HIGH[n]!;
  }
  return BigInt.asUintN(64, (BigInt(~high >>> 0) << 32n) | BigInt(~low >>> 0));
}
