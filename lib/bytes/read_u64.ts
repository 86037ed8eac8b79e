/**
 * The little-endian u64 at `offset` as a number. Beyond 2^53 it is rounded: whoever reads one from
 * outside checks it against a bound before use.
 */
export function readU64(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32;
}
