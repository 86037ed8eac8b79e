/** One YAML document as plain data, with the place of everything in it. */
import { type Document, isMap, isScalar, isSeq, LineCounter, type Pair } from "yaml";
import { parseDocument, type Scalar, visit } from "yaml";
import { printable } from "../bytes/printable.ts";
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";

const MAX_BYTES = 1 << 20;
/** Aliases may multiply content by no more than this: `yaml` counts what they stand for. */
const MAX_ALIASES = 100;
/** The parser goes down one call per level, and deep enough it takes seconds to say so. */
const MAX_DEPTH = 256;
const MAX_MARKS = 1 << 16;
const MARKS = "\n\r[]{},:-?&*!%\"'|>";

export interface ParsedYaml {
  readonly data: unknown;
  /** `line 3, column 5` of the value, or of the key itself with `atKey`; "" when unknown. */
  place(path: readonly (string | number)[], atKey?: boolean): string;
}

/**
 * Parses one document.
 *
 * @throws {FastboopError} `corrupt` for broken YAML, `limit` above 1 MiB or for aliases that explode.
 */
export function parseYaml(text: string, what: string): ParsedYaml {
  const action = `Read ${printable(what)}`;
  const sizeBytes = new TextEncoder().encode(text).length;
  if (sizeBytes > MAX_BYTES) {
    throw new FastboopError({
      kind: "limit",
      action,
      state: `it has ${formatSize(sizeBytes)}, at most ${formatSize(MAX_BYTES)} are read`,
    });
  }
  const state = excess(text);
  if (state !== undefined) throw new FastboopError({ kind: "limit", action, state });
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    logLevel: "silent",
    uniqueKeys: false,
  });
  const at = (offset: number | undefined) => {
    if (offset === undefined) return "";
    const { line, col } = lines.linePos(offset);
    return `line ${line}, column ${col}`;
  };
  const [error] = document.errors;
  if (error) {
    throw new FastboopError({
      kind: "corrupt",
      action,
      state: `${printable(error.message).slice(0, 200)} (${at(error.pos[0])})`,
    });
  }
  const duplicate = duplicateKey(document);
  if (duplicate !== undefined) {
    const name = printable(String(duplicate.key.value)).slice(0, 100);
    const place = at(duplicate.key.range?.[0]);
    throw new FastboopError({
      kind: "corrupt",
      action,
      state: `keys must be unique: ${name} is there twice (${place})`,
    });
  }
  try {
    const data: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return { data, place: (path, atKey = false) => at(offsetOf(document, path, atKey)) };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const kind = /excessive alias/i.test(text) ? "limit" : "corrupt"; // the other: an unknown alias
    throw new FastboopError({ kind, action, state: printable(text).slice(0, 200) });
  }
}

/**
 * Why a text would keep the parser busy for seconds: brackets that are still open or indicators in one line
 * (indentation cannot go that deep in 1 MiB), or more marks than a profile has.
 */
function excess(text: string): string | undefined {
  let open = 0;
  let indicators = 0;
  let marks = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (!MARKS.includes(character)) continue;
    if (character === "\n") indicators = 0;
    else if (character === "[" || character === "{") open++;
    else if (character === "]" || character === "}") open = Math.max(0, open - 1);
    else if ("-?:".includes(character) && " \t".includes(text[i + 1] ?? "")) indicators++;
    if (open > MAX_DEPTH || indicators > 4 * MAX_DEPTH) {
      return `it is nested more than ${MAX_DEPTH} deep`;
    }
    if (++marks > MAX_MARKS) return `it has more than ${MAX_MARKS} lines and marks`;
  }
  return undefined;
}

/** The first key that stands twice in one mapping. The parser's own check takes quadratic time. */
function duplicateKey(document: Document): Pair<Scalar> | undefined {
  let found: Pair<Scalar> | undefined;
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>();
      for (const pair of items) {
        if (!isScalar(pair.key)) continue;
        const name = String(pair.key.value);
        if (seen.has(name)) {
          found = pair as Pair<Scalar>;
          return visit.BREAK;
        }
        seen.add(name);
      }
    },
  });
  return found;
}

/** Where the node of a path begins; of its nearest known parent when it has none. */
function offsetOf(
  document: Document,
  path: readonly (string | number)[],
  atKey: boolean,
): number | undefined {
  let node: unknown = document.contents;
  let offset = rangeStart(node);
  for (const [depth, step] of path.entries()) {
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) =>
        isScalar(key) && String(key.value) === String(step)
      );
      next = atKey && depth === path.length - 1 ? pair?.key : pair?.value ?? pair?.key;
    } else if (isSeq(node)) {
      next = node.items[Number(step)];
    }
    if (next === undefined) break;
    node = next;
    offset = rangeStart(node) ?? offset;
  }
  return offset;
}

function rangeStart(node: unknown): number | undefined {
  return (node as { range?: [number, number, number] | null } | null)?.range?.[0];
}
