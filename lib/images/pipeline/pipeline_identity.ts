import type { Pipeline } from "./pipeline.ts";

/**
 * The name of what a pipeline makes, without its declared contents: the key of hints and shared stages.
 *
 * Shape: `xz{source=http{url=len:9:https://a;cors_safelisted_mode=false;}}`; lengths are UTF-8 bytes.
 * Source: pipeline.md 1.4; the stages of our own follow its pattern.
 */
export function pipelineIdentity(pipeline: Pipeline): string {
  return `${pipeline.kind}{${fields(pipeline)}}`;
}

function fields(stage: Pipeline): string {
  switch (stage.kind) {
    case "http":
      return `url=${sized(stage.url)};cors_safelisted_mode=${stage.corsSafelistedMode};`;
    case "file":
      return `path=${sized(stage.path)};`;
    case "casync":
      return `index=${sized(stage.index)};chunk_store=${optional(stage.chunkStore)};`;
    case "tar":
    case "zip":
    case "iso9660":
      return `entry=${sized(stage.entry)};${source(stage.source)}`;
    case "mbr": {
      const { partuuid, index, lbaSizeBytes } = stage.selector;
      return `partuuid=${optional(partuuid)};${slot(index, lbaSizeBytes)}${source(stage.source)}`;
    }
    case "gpt": {
      const { partlabel, partuuid, index, lbaSizeBytes } = stage.selector;
      return `partlabel=${optional(partlabel)};partuuid=${optional(partuuid)};` +
        slot(index, lbaSizeBytes) + source(stage.source);
    }
    default:
      return source(stage.source);
  }
}

function source(pipeline: Pipeline): string {
  return `source=${pipelineIdentity(pipeline)}`;
}

function slot(index: number | undefined, lbaSizeBytes: number | undefined): string {
  return `index=${some(index)};lba_size=${some(lbaSizeBytes)};`;
}

function some(value: number | undefined): string {
  return value === undefined ? "none" : `some:${value}`;
}

function optional(text: string | undefined): string {
  return text === undefined ? "none" : `some:value=${sized(text)}`;
}

function sized(text: string): string {
  return `len:${new TextEncoder().encode(text).length}:${text}`;
}
