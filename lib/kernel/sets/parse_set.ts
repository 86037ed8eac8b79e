/**
 * A curated set of modules, as text:
 *
 *     # comment
 *     [stage1]
 *     ahci              a module's name
 *     virtio:d*         or a glob over names or aliases
 *     @nic              all of another set
 *     -bnx2x            without this one
 *
 * `stage1` is what reaches storage, network and console, `stage2` what may follow. The format is our own.
 */
import { FastboopError } from "../../errors/errors.ts";

export type Stage = "stage1" | "stage2";

/** One line that says something. */
export interface SetLine {
  readonly stage: Stage;
  readonly kind: "module" | "include" | "remove";
  /** Without `@` and `-`. */
  readonly word: string;
  /** From 1 on. */
  readonly line: number;
}

export interface ModuleSet {
  readonly name: string;
  readonly lines: readonly SetLine[];
}

const MAX_TEXT_LENGTH = 1 << 20;
/** Aliases may hold all of these, blanks only in dmi: ones, which no set needs. */
const WORD = /^[A-Za-z0-9_.,:*?+=[\]!^/-]{1,256}$/;
const SET_NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;

/**
 * Reads the set `name`.
 *
 * @throws {FastboopError} `usage` naming the first line that is none of a set; `limit` above 1 MiB.
 */
export function parseSet(name: string, text: string): ModuleSet {
  if (text.length > MAX_TEXT_LENGTH) {
    const state = `it has ${text.length} characters, the limit is ${MAX_TEXT_LENGTH}`;
    throw new FastboopError({ kind: "limit", action: `Read module set @${name}`, state });
  }
  const lines: SetLine[] = [];
  let stage: Stage | undefined;
  for (const [at, raw] of text.split("\n").entries()) {
    const line = at + 1;
    const content = raw.replace(/(^|\s)#.*$/, "").trim();
    if (content === "") continue;
    const header = /^\[(.*)\]$/.exec(content)?.[1];
    if (header === "stage1" || header === "stage2") {
      stage = header;
      continue;
    }
    if (header !== undefined) {
      throw setLineError(name, line, `"[${header}]" is neither [stage1] nor [stage2]`);
    }
    if (stage === undefined) {
      throw setLineError(name, line, "it comes before [stage1] and [stage2]");
    }
    lines.push({ stage, line, ...wordOf(name, line, content) });
  }
  return { name, lines };
}

function wordOf(name: string, line: number, content: string): Pick<SetLine, "kind" | "word"> {
  const shown = JSON.stringify(content.slice(0, 80));
  if (/\s/.test(content)) throw setLineError(name, line, `${shown} is more than one word`);
  if (content.startsWith("@")) {
    const word = content.slice(1);
    if (SET_NAME.test(word)) return { kind: "include", word };
    throw setLineError(name, line, `${shown} cannot be the name of a set`);
  }
  const isRemoval = content.startsWith("-");
  const word = isRemoval ? content.slice(1) : content;
  if (WORD.test(word)) return { kind: isRemoval ? "remove" : "module", word };
  throw setLineError(name, line, `${shown} is neither a module nor an alias`);
}

/** `usage`: a line of a set that cannot be taken. */
export function setLineError(name: string, line: number, state: string): FastboopError {
  return new FastboopError({
    kind: "usage",
    action: `Read module set @${name}, line ${line}`,
    state,
    hint: "Correct the line: a module or alias glob, @set, -module, [stage1] or [stage2]",
  });
}
