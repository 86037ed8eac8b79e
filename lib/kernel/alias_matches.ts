/**
 * Whether an alias pattern of modules.alias matches a name: fnmatch(3) with `*`, `?` and `[...]`, no flags.
 *
 * Both must be folded (module_name.ts). Runs in pattern x name steps: it backtracks to the last `*` only.
 */
export function aliasMatches(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let starAt = -1;
  let starName = 0;
  while (n < name.length) {
    const step = p < pattern.length && pattern[p] !== "*" ? matchOne(pattern, p, name[n]!) : 0;
    if (step > 0) {
      p += step;
      n++;
    } else if (pattern[p] === "*") {
      starAt = p++;
      starName = n;
    } else if (starAt >= 0) {
      p = starAt + 1;
      n = ++starName;
    } else return false;
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}

/** Length of the pattern part at `p` when it matches `c`, else 0. */
function matchOne(pattern: string, p: number, c: string): number {
  const first = pattern[p]!;
  if (first === "?") return 1;
  if (first === "\\" && p + 1 < pattern.length) return pattern[p + 1] === c ? 2 : 0;
  if (first !== "[") return first === c ? 1 : 0;
  const negated = pattern[p + 1] === "!" || pattern[p + 1] === "^";
  const start = p + (negated ? 2 : 1);
  const end = pattern.indexOf("]", start + 1);
  if (end < 0) return c === "[" ? 1 : 0;
  let inside = false;
  for (let i = start; i < end; i++) {
    const low = pattern[i]!;
    const isRange = pattern[i + 1] === "-" && i + 2 < end;
    const high = isRange ? pattern[i + 2]! : low;
    if (c >= low && c <= high) inside = true;
    if (isRange) i += 2;
  }
  return inside === negated ? 0 : end + 1 - p;
}
