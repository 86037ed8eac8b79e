/**
 * A pipeline -> its binary form. Source: pipeline.md 1.3.
 *
 * Shape: `GBXPIPE0`, u16 version 0, postcard. Tags 0 to 7 are upstream's; ours begin at 64, so that a file without
 * a stage of ours is a file of upstream's and one with it is refused there.
 */
import { PostcardWriter } from "../../bytes/postcard.ts";
import type { Content, GptSelector, Pipeline, PipelineKind } from "./pipeline.ts";

export const PIPELINE_MAGIC = "GBXPIPE0";

export const PIPELINE_TAGS: Readonly<Record<PipelineKind, number>> = {
  casync: 0,
  http: 1,
  file: 2,
  xz: 3,
  tar: 4,
  android_sparseimg: 5,
  mbr: 6,
  gpt: 7,
  gzip: 64,
  zstd: 65,
  zip: 66,
  iso9660: 67,
};

export function encodePipeline(pipeline: Pipeline): Uint8Array<ArrayBuffer> {
  const writer = new PostcardWriter();
  writer.raw(new TextEncoder().encode(PIPELINE_MAGIC));
  writer.raw(Uint8Array.of(0, 0));
  writePipeline(writer, pipeline);
  return writer.finish();
}

/** The postcard value alone, as a boot profile holds it. */
export function writePipeline(writer: PostcardWriter, stage: Pipeline): void {
  writer.varint(PIPELINE_TAGS[stage.kind]);
  switch (stage.kind) {
    case "http":
      writer.string(stage.url);
      writer.bool(stage.corsSafelistedMode);
      break;
    case "file":
      writer.string(stage.path);
      break;
    case "casync":
      writer.string(stage.index);
      writer.option(stage.chunkStore, (store) => writer.string(store));
      break;
    case "tar":
    case "zip":
    case "iso9660":
      writer.string(stage.entry);
      break;
    case "mbr":
      writeSelector(writer, stage.selector);
      break;
    case "gpt":
      writer.option(stage.selector.partlabel, (label) => writer.string(label));
      writeSelector(writer, stage.selector);
  }
  if ("source" in stage) writePipeline(writer, stage.source);
  writer.option(stage.content, (content) => writeContent(writer, content));
}

function writeSelector(writer: PostcardWriter, selector: Omit<GptSelector, "partlabel">): void {
  writer.option(selector.partuuid, (uuid) => writer.string(uuid));
  writer.option(selector.index, (index) => writer.varint(index));
  writer.option(selector.lbaSizeBytes, (sizeBytes) => writer.varint(sizeBytes));
}

function writeContent(writer: PostcardWriter, { digest, sizeBytes }: Content): void {
  writer.string(digest);
  writer.varint(sizeBytes);
}
