/** Plain lists as Zero-OS builders keep them -> our own sets. */
import { type ModuleSet, type SetLine, setLineError } from "./parse_set.ts";

/** A third field of a line: a firmware hint, which the firmware policy decides instead. */
export interface IgnoredHint {
  readonly line: number;
  readonly word: string;
  readonly hint: string;
}

const MAX_LINES = 65_536;

/**
 * Reads `stage1:name` or `stage2:name:hint`, one per line, `#` starts a comment. Hints are ignored and
 * told.
 *
 * @throws {FastboopError} `usage` naming the first line of another form.
 */
export function importZeroOs(
  name: string,
  text: string,
): { set: ModuleSet; ignored: IgnoredHint[] } {
  const lines: SetLine[] = [];
  const ignored: IgnoredHint[] = [];
  for (const [at, raw] of text.split("\n").entries()) {
    const content = raw.replace(/(^|\s)#.*$/, "").trim();
    if (content === "") continue;
    const line = at + 1;
    const match = /^(stage1|stage2):([A-Za-z0-9_.,*?+-]{1,256})(?::(.*))?$/.exec(content);
    if (match === null || line > MAX_LINES) {
      const state = match ? `there are over ${MAX_LINES}` : `"${content.slice(0, 80)}" is not ` +
        "stage1:NAME or stage2:NAME, with an optional :HINT";
      throw setLineError(name, line, state);
    }
    const [, stage, word, hint] = match;
    lines.push({ stage: stage as "stage1" | "stage2", kind: "module", word: word!, line });
    if (hint !== undefined && hint.trim() !== "") {
      ignored.push({ line, word: word!, hint: hint.trim() });
    }
  }
  return { set: { name, lines }, ignored };
}
