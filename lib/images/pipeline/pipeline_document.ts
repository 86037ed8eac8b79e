import type { Content, Pipeline } from "./pipeline.ts";

/** Plain data for YAML or JSON. */
export type PlainPipeline = { [key: string]: unknown };

/**
 * A pipeline as a document says it: flattened, with `source:` only where a flattened `content` could be taken for
 * that of another stage. parsePipeline gives the same pipeline back.
 */
export function pipelineDocument(pipeline: Pipeline): PlainPipeline {
  const { kind } = pipeline;
  const content = plainContent(pipeline.content);
  switch (kind) {
    case "http":
      return {
        http: pipeline.url,
        ...(pipeline.corsSafelistedMode ? { cors_safelisted_mode: true } : {}),
        ...content,
      };
    case "file":
      return { file: pipeline.path, ...content };
    case "casync": {
      const { index, chunkStore } = pipeline;
      if (chunkStore === undefined && pipeline.content === undefined) return { casync: index };
      const store = chunkStore === undefined ? {} : { chunk_store: chunkStore };
      return { casync: { index, ...store, ...content } };
    }
    case "xz":
    case "gzip":
    case "zstd":
      return { [kind]: pipelineDocument(pipeline.source), ...content };
    case "android_sparseimg":
      return { [kind]: { ...content, ...below(pipeline) } };
    case "tar":
    case "zip":
    case "iso9660":
      return { [kind]: { entry: pipeline.entry, ...content, ...below(pipeline) } };
    case "mbr":
    case "gpt": {
      const { lbaSizeBytes, ...selector } = pipeline.selector;
      const lba = lbaSizeBytes === undefined ? {} : { lba_size: lbaSizeBytes };
      return { [kind]: { ...selector, ...lba, ...content, ...below(pipeline) } };
    }
  }
}

function below({ source, content }: { source: Pipeline; content?: Content }): PlainPipeline {
  const plain = pipelineDocument(source);
  const isLeaf = !("source" in source);
  const isDoubtful = "content" in plain || (isLeaf && content !== undefined);
  return isDoubtful ? { source: plain } : plain;
}

function plainContent(content: Content | undefined): { content?: unknown } {
  if (content === undefined) return {};
  return { content: { digest: content.digest, size_bytes: content.sizeBytes } };
}
