/** Up to `count` of `names` that look like `wanted`: a part of it, or few letters away; best first. */
export function nearMatches(wanted: string, names: Iterable<string>, count = 3): string[] {
  const limit = Math.max(2, Math.floor(wanted.length / 4));
  const scored: { name: string; score: number }[] = [];
  for (const name of names) {
    const part = wanted.length >= 3 && name.length >= 3 &&
      (name.includes(wanted) || wanted.includes(name));
    const score = part
      ? Math.abs(name.length - wanted.length) / 8
      : Math.abs(name.length - wanted.length) > limit
      ? Infinity
      : distance(wanted, name);
    if (score <= limit) scored.push({ name, score });
  }
  scored.sort((a, b) => a.score - b.score || (a.name < b.name ? -1 : 1));
  return scored.slice(0, count).map(({ name }) => name);
}

/** Levenshtein distance of two short strings. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(change, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
