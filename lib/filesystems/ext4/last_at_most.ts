/** Index of the last run that begins at or before `block`, by halving; runs are ascending. */
export function lastAtMost(
  runs: readonly { readonly startBlock: number }[],
  block: number,
): number {
  let low = 0;
  let high = runs.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (runs[middle]!.startBlock <= block) low = middle;
    else high = middle - 1;
  }
  return low;
}
