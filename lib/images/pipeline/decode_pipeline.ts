/** The binary form of a pipeline -> the value. Layout: encode_pipeline.ts. */
import { PostcardReader } from "../../bytes/postcard.ts";
import type { Content, GptSelector, Pipeline, PipelineKind } from "./pipeline.ts";
import { PIPELINE_MAGIC, PIPELINE_TAGS } from "./encode_pipeline.ts";
import { MAX_PIPELINE_DEPTH, MAX_TEXT_BYTES, stageProblem } from "./pipeline_rules.ts";

/** What a generation of files holds. The version word does not tell (fastboop-cli.md 3.7). */
export interface PipelineLayout {
  readonly kinds: ReadonlyMap<number, PipelineKind>;
  readonly hasLbaSize: boolean;
  readonly hasCorsMode: boolean;
  readonly hasContent: boolean;
}

export const CURRENT_PIPELINE_LAYOUT: PipelineLayout = {
  kinds: new Map(Object.entries(PIPELINE_TAGS).map(([kind, tag]) => [tag, kind as PipelineKind])),
  hasLbaSize: true,
  hasCorsMode: true,
  hasContent: true,
};

/** Published until March 2026: neither tar nor `lba_size`. */
export const MARCH_PIPELINE_LAYOUT: PipelineLayout = {
  kinds: new Map(
    (["casync", "http", "file", "xz", "android_sparseimg", "mbr", "gpt"] as const)
      .map((kind, tag) => [tag, kind]),
  ),
  hasLbaSize: false,
  hasCorsMode: true,
  hasContent: true,
};

/**
 * Decodes one pipeline; bytes after it are ignored, as upstream does.
 *
 * @throws {FastboopError} `corrupt`, `limit` above 16 wrappers or for a long text, `unsupported` for another version.
 */
export function decodePipeline(bytes: Uint8Array, what = "the pipeline"): Pipeline {
  const reader = new PostcardReader(bytes, `Read ${what}`);
  const magic = new TextDecoder("latin1").decode(reader.raw(PIPELINE_MAGIC.length));
  if (magic !== PIPELINE_MAGIC) reader.fail(`it does not begin with ${PIPELINE_MAGIC}`);
  const version = reader.byte() + reader.byte() * 256;
  if (version !== 0) reader.fail(`its version is ${version}, 0 is read`, "unsupported");
  return readPipeline(reader, CURRENT_PIPELINE_LAYOUT);
}

/** The postcard value alone. */
export function readPipeline(
  reader: PostcardReader,
  layout: PipelineLayout,
  depth = 0,
): Pipeline {
  if (depth > MAX_PIPELINE_DEPTH) {
    reader.fail(`more than ${MAX_PIPELINE_DEPTH} stages over a source`, "limit");
  }
  const tag = reader.varint("u32");
  const kind = layout.kinds.get(tag) ?? reader.fail(`no stage has the number ${tag}`);
  const stage = readStage(reader, kind, layout, depth);
  const problem = stageProblem(stage);
  if (problem !== undefined) {
    reader.fail([`${kind}`, ...problem.field].join(".") + `: ${problem.state}`);
  }
  return stage;
}

function readStage(
  reader: PostcardReader,
  kind: PipelineKind,
  layout: PipelineLayout,
  depth: number,
): Pipeline {
  const text = () => reader.string(MAX_TEXT_BYTES);
  const content = () => layout.hasContent ? readContent(reader) : {};
  const source = () => readPipeline(reader, layout, depth + 1);
  switch (kind) {
    case "http":
      return {
        kind,
        url: text(),
        corsSafelistedMode: layout.hasCorsMode && reader.bool(),
        ...content(),
      };
    case "file":
      return { kind, path: text(), ...content() };
    case "casync": {
      const index = text();
      const chunkStore = reader.option(text);
      return { kind, index, ...(chunkStore === undefined ? {} : { chunkStore }), ...content() };
    }
    case "tar":
    case "zip":
    case "iso9660":
      return { kind, entry: text(), source: source(), ...content() };
    case "mbr":
      return { kind, selector: readSelector(reader, layout), source: source(), ...content() };
    case "gpt": {
      const partlabel = reader.option(text);
      const selector = {
        ...(partlabel === undefined ? {} : { partlabel }),
        ...readSelector(reader, layout),
      };
      return { kind, selector, source: source(), ...content() };
    }
    default:
      return { kind, source: source(), ...content() };
  }
}

function readSelector(
  reader: PostcardReader,
  layout: PipelineLayout,
): Omit<GptSelector, "partlabel"> {
  const partuuid = reader.option(() => reader.string(MAX_TEXT_BYTES));
  const index = reader.option(() => reader.varint("u32"));
  const lbaSizeBytes = layout.hasLbaSize ? reader.option(() => reader.varint("u32")) : undefined;
  return {
    ...(partuuid === undefined ? {} : { partuuid }),
    ...(index === undefined ? {} : { index }),
    ...(lbaSizeBytes === undefined ? {} : { lbaSizeBytes }),
  };
}

function readContent(reader: PostcardReader): { content?: Content } {
  const content = reader.option(() => ({
    digest: reader.string(MAX_TEXT_BYTES),
    sizeBytes: reader.varint("u64"),
  }));
  return content === undefined ? {} : { content };
}
