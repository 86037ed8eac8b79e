/** The order of kernel releases, older before newer. */

/**
 * Negative when `a` is older than `b`, 0 when they rank alike.
 *
 * The numbers and words of a release are compared one by one, what stands between them does not count:
 * numbers by value, words by their letters, a number above a word. Of two that begin alike the longer one
 * is newer, unless it goes on with `rc` or `~`.
 */
export function compareReleases(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const order = compareParts(left[i], right[i]);
    if (order !== 0) return order;
  }
  return 0;
}

const partsOf = (release: string): string[] =>
  release.replaceAll("~rc", "-rc").match(/\d+|~?[A-Za-z]+|~/g) ?? [];

function compareParts(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  const rank = rankOf(a) - rankOf(b);
  if (rank !== 0) return rank;
  if (rankOf(a) !== NUMBER) return a! < b! ? -1 : 1;
  const [left, right] = [a!.replace(/^0+/, ""), b!.replace(/^0+/, "")];
  return left.length - right.length || (left < right ? -1 : left > right ? 1 : 0);
}

const NUMBER = 4;

/** `6.12.0-rc1` comes before `6.12.0`, and `6.12.0~exp1` before both. */
function rankOf(part: string | undefined): number {
  if (part === undefined) return 2;
  if (part.startsWith("~")) return 0;
  if (part === "rc") return 1;
  return /^\d/.test(part) ? NUMBER : 3;
}
