/** CRC-64 of the .xz format: ECMA-182, reflected, as two halves of 32 bits. */
const TABLE_LOW = new Int32Array(256);
const TABLE_HIGH = new Int32Array(256);

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

/** The checksum of `bytes`; of `before` and then `bytes` when the checksum of `before` is given. */
export function crc64(bytes: Uint8Array, before = 0n): bigint {
  let low = ~Number(before & 0xffff_ffffn);
  let high = ~Number(before >> 32n);
  for (let at = 0; at < bytes.length; at++) {
    const n = (low ^ bytes[at]!) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ TABLE_LOW[n]!;
    high = (high >>> 8) ^ TABLE_HIGH[n]!;
  }
  return BigInt.asUintN(64, (BigInt(~high >>> 0) << 32n) | BigInt(~low >>> 0));
}
