/**
 * A pipeline as a document says it -> the value. Source: pipeline.md 1.1 and 1.2.
 *
 * A wrapper holds the stage below it flattened among its own keys or under `source:`. In the flattened form
 * `content` belongs to the wrapper. Beside a flattened leaf whose own `content` would stand at the same place
 * nobody can tell whose it is meant to be, so that one combination is refused; upstream has no valid document
 * with it. `content` of a leaf is optional, as it was in the first generation of profiles.
 */
import { type Document, DocumentNode, type DocumentPath } from "./document_node.ts";
import type { Content, GptSelector, Pipeline } from "./pipeline.ts";
import { MAX_PIPELINE_DEPTH, MAX_U32, type Stage, stageProblem } from "./pipeline_rules.ts";

const STAGE_KEYS = [
  ...["http", "file", "casync", "xz", "gzip", "zstd", "android_sparseimg"],
  ...["tar", "zip", "iso9660", "mbr", "gpt"],
] as const;
type StageKey = typeof STAGE_KEYS[number];

/** Keys of its own that stand inside a wrapper, beside the flattened stage below. */
const INNER_KEYS = {
  android_sparseimg: ["content"],
  tar: ["entry", "content"],
  zip: ["entry", "content"],
  iso9660: ["entry", "content"],
  mbr: ["partuuid", "index", "lba_size", "content"],
  gpt: ["partlabel", "partuuid", "index", "lba_size", "content"],
} as const;

/** Keys that stand beside the key of the stage. */
const SIBLING_KEYS: Partial<Record<StageKey, readonly string[]>> = {
  http: ["cors_safelisted_mode", "content"],
  file: ["content"],
  xz: ["content"],
  gzip: ["content"],
  zstd: ["content"],
};

/**
 * Parses the value at `path` of a document.
 *
 * @throws {FastboopError} `corrupt` with the path, line and column of what is wrong.
 */
export function parsePipeline(
  value: unknown,
  document: Document,
  path: DocumentPath = [],
): Pipeline {
  return parseStage(new DocumentNode(value, document, path), 0, []);
}

/** `outer` are keys of the same mapping that belong to the wrapper above. */
function parseStage(node: DocumentNode, depth: number, outer: readonly string[]): Pipeline {
  if (depth > MAX_PIPELINE_DEPTH) {
    node.fail(`more than ${MAX_PIPELINE_DEPTH} stages over a source`);
  }
  const key = stageKey(node, outer);
  const siblings = SIBLING_KEYS[key] ?? [];
  refuseDoubtfulContent(node, key, outer);
  node.only([...outer, key, ...siblings], {
    content: key in INNER_KEYS || key === "casync"
      ? `Put it inside ${key}`
      : `Put it beside ${key}`,
    source: `${key} already says what the source is: keep one of them`,
  });
  const content = siblings.includes("content") && !outer.includes("content")
    ? parseContent(node)
    : {};
  const body = node.child(key);
  switch (key) {
    case "http":
      return checked(node, {
        kind: key,
        url: body.text(),
        corsSafelistedMode: node.optional("cors_safelisted_mode")?.boolean() ?? false,
        ...content,
      });
    case "file":
      return checked(node, { kind: key, path: body.text(), ...content });
    case "casync":
      return parseCasync(body);
    case "xz":
    case "gzip":
    case "zstd":
      checkStage(node, { kind: key, ...content });
      return { kind: key, source: parseSource(body, depth, []), ...content };
    default:
      return parseWrapper(key, body, depth);
  }
}

function stageKey(node: DocumentNode, outer: readonly string[]): StageKey {
  const keys = node.keys().filter((key) => !outer.includes(key));
  const stages = STAGE_KEYS.filter((key) => keys.includes(key));
  if (stages.length === 1) return stages[0]!;
  if (stages.length > 1) {
    return node.fail(`holds ${stages.join(" and ")}, must hold exactly one of them`);
  }
  if (keys.length > 0) node.only([...outer, ...STAGE_KEYS]);
  return node.fail(`needs one of ${STAGE_KEYS.join(", ")}`);
}

function refuseDoubtfulContent(node: DocumentNode, key: StageKey, outer: readonly string[]) {
  const content = outer.includes("content") ? node.optional("content") : undefined;
  const isBareLeaf = key === "http" || key === "file" ||
    (key === "casync" && typeof node.child(key).value === "string");
  if (content === undefined || !isBareLeaf) return;
  const wrapper = node.path.at(-1);
  content.fail(
    `it may be of ${wrapper} or of ${key}; flattened like this it would be of ${wrapper}`,
    {
      atKey: true,
      hint: `Put ${key} under source:, and content there if it is of ${key}`,
    },
  );
}

function parseCasync(body: DocumentNode): Pipeline {
  if (!body.isMapping) return checked(body, { kind: "casync", index: body.text() });
  body.only(["index", "chunk_store", "content"]);
  const store = body.optional("chunk_store")?.text();
  return checked(body, {
    kind: "casync",
    index: body.required("index").text(),
    ...(store === undefined ? {} : { chunkStore: store }),
    ...parseContent(body),
  });
}

function parseWrapper(key: keyof typeof INNER_KEYS, body: DocumentNode, depth: number): Pipeline {
  body.keys();
  const content = parseContent(body);
  const source = () => parseSource(body, depth, INNER_KEYS[key]);
  switch (key) {
    case "android_sparseimg":
      checkStage(body, { kind: key, ...content });
      return { kind: key, source: source(), ...content };
    case "tar":
    case "zip":
    case "iso9660": {
      const stage = { kind: key, entry: body.required("entry").text(), ...content };
      checkStage(body, stage);
      return { ...stage, source: source() };
    }
    case "mbr": {
      const { partlabel: _, ...selector } = parseSelector(body, INNER_KEYS.mbr);
      const stage = { kind: key, selector, ...content };
      checkStage(body, stage);
      return { ...stage, source: source() };
    }
    case "gpt": {
      const stage = { kind: key, selector: parseSelector(body, INNER_KEYS.gpt), ...content };
      checkStage(body, stage);
      return { ...stage, source: source() };
    }
  }
}

function parseSelector(body: DocumentNode, keys: readonly string[]): GptSelector {
  const at = (key: string) => keys.includes(key) ? body.optional(key) : undefined;
  const partlabel = at("partlabel")?.text();
  const partuuid = at("partuuid")?.text();
  const index = at("index")?.integer(MAX_U32);
  const lbaSizeBytes = at("lba_size")?.integer(MAX_U32);
  return {
    ...(partlabel === undefined ? {} : { partlabel }),
    ...(partuuid === undefined ? {} : { partuuid }),
    ...(index === undefined ? {} : { index }),
    ...(lbaSizeBytes === undefined ? {} : { lbaSizeBytes }),
  };
}

function parseSource(body: DocumentNode, depth: number, own: readonly string[]): Pipeline {
  if (!body.isMapping || body.optional("source") === undefined) {
    return parseStage(body, depth + 1, own);
  }
  const key = body.path.at(-1);
  body.only([...own, "source"], {
    content: `Put it beside ${key}, or inside source for the stage below`,
  });
  return parseStage(body.child("source"), depth + 1, []);
}

function parseContent(node: DocumentNode): { content?: Content } {
  const content = node.optional("content");
  if (content === undefined) return {};
  content.only(["digest", "size_bytes"]);
  const digest = content.required("digest");
  if (typeof digest.value !== "string") digest.text();
  const sizeBytes = content.required("size_bytes").integer(Number.MAX_SAFE_INTEGER);
  return { content: { digest: (digest.value as string).trim(), sizeBytes } };
}

function checked<S extends Stage & Pipeline>(node: DocumentNode, stage: S): S {
  checkStage(node, stage);
  return stage;
}

function checkStage(node: DocumentNode, stage: Stage): void {
  const problem = stageProblem(stage);
  if (problem === undefined) return;
  let at = node;
  for (const key of problem.field) at = at.isMapping ? at.child(key) : at;
  at.fail(problem.state);
}
