/**
 * Size a zstd frame declares for its content, or undefined when it declares none or is no zstd frame.
 *
 * Source: RFC 8878, section 3.1.1.1 (frame header). Values above 2^53 are given as Infinity.
 */
export function zstdContentSize(frame: Uint8Array): number | undefined {
  if (frame.length < 14) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint32(0, true) !== 0xfd2fb528) return undefined;
  const descriptor = frame[4]!;
  const singleSegment = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  const at = 5 + (singleSegment ? 0 : 1) + dictionaryBytes;
  switch (descriptor >> 6) {
    case 0:
      return singleSegment ? frame[at] : undefined;
    case 1:
      return at + 2 <= frame.length ? view.getUint16(at, true) + 256 : undefined;
    case 2:
      return at + 4 <= frame.length ? view.getUint32(at, true) : undefined;
    default: {
      if (at + 8 > frame.length) return undefined;
      const size = view.getBigUint64(at, true);
      return size > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(size);
    }
  }
}
