/** A set with its includes and removals carried out: the plain list of words for each stage. */
import { aliasMatches } from "../alias_matches.ts";
import { foldAlias } from "../module_name.ts";
import { FastboopError } from "../../errors/errors.ts";
import { nearMatches } from "../../bytes/near_matches.ts";
import { type ModuleSet, setLineError, type Stage } from "./parse_set.ts";

/** One module or alias glob, and the set whose line it is. */
export interface SetWord {
  readonly stage: Stage;
  readonly word: string;
  readonly set: string;
  readonly line: number;
}

const MAX_WORDS = 4096;
const MAX_DEPTH = 16;
/** Lines carried out, those of a set included twice counted twice. */
const MAX_LINES = 65_536;

/**
 * The words of the set `name`, stage1 before stage2, each once. Lines take effect in their order, so a
 * removal takes away what came before it. A set included under [stage2] goes to stage2 as a whole, under
 * [stage1] it keeps its stages.
 *
 * @throws {FastboopError} `usage` for an unknown set, a cycle, or a removal of what is not there; `limit`.
 */
export function expandSet(name: string, sets: ReadonlyMap<string, ModuleSet>): SetWord[] {
  const set = sets.get(name);
  if (set === undefined) {
    const near = nearMatches(name, sets.keys());
    throw new FastboopError({
      kind: "usage",
      action: `Find module set @${name}`,
      state: `there is none${near.length > 0 ? ` (near: @${near.join(", @")})` : ""}`,
      hint: `Sets are @${[...sets.keys()].join(", @")}`,
    });
  }
  const words = new Map<string, SetWord>();
  for (const word of expand(set, sets, [name], { left: MAX_LINES })) {
    const key = foldAlias(word.word);
    if (words.get(key)?.stage !== "stage1") words.set(key, word);
  }
  const all = [...words.values()];
  return (["stage1", "stage2"] as const).flatMap((stage) => all.filter((w) => w.stage === stage));
}

function expand(
  set: ModuleSet,
  sets: ReadonlyMap<string, ModuleSet>,
  trail: readonly string[],
  lines: { left: number },
): SetWord[] {
  let words: SetWord[] = [];
  for (const { kind, word, stage, line } of set.lines) {
    if (kind === "module") words.push({ stage, word, set: set.name, line });
    else if (kind === "remove") {
      const glob = foldAlias(word);
      const kept = words.filter((other) => !aliasMatches(glob, foldAlias(other.word)));
      if (kept.length === words.length) {
        throw setLineError(set.name, line, `-${word} takes away nothing that came before`);
      }
      words = kept;
    } else {
      if (trail.includes(word)) {
        const circle = [...trail, word].map((name) => `@${name}`).join(" -> ");
        throw setLineError(set.name, line, `the sets include each other: ${circle}`);
      }
      const included = sets.get(word);
      if (included === undefined || trail.length >= MAX_DEPTH) {
        const state = included ? `includes are nested over ${MAX_DEPTH} deep` : "is no set";
        throw setLineError(set.name, line, included ? state : `@${word} ${state}`);
      }
      for (const inner of expand(included, sets, [...trail, word], lines)) {
        words.push(stage === "stage2" ? { ...inner, stage } : inner);
      }
    }
    if (words.length > MAX_WORDS || --lines.left < 0) {
      throw new FastboopError({
        kind: "limit",
        action: `Expand module set @${set.name}`,
        state: `it has over ${MAX_WORDS} words, or over ${MAX_LINES} lines with its includes`,
      });
    }
  }
  return words;
}
