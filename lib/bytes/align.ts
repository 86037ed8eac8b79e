/** Smallest multiple of `alignment` that is at least `value`; safe for values up to 2^53. */
export function alignUp(value: number, alignment: number): number {
  const rest = value % alignment;
  return rest === 0 ? value : value + alignment - rest;
}
