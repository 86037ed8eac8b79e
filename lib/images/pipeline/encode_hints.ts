/**
 * Hints by the identity of their stage -> bytes. Source: pipeline.md 1.5.
 *
 * Shape of the raw form: `GBXHINT0`, u16 version 0, postcard list of {identity, hints[]} with the hints upstream
 * knows (tags 0 to 2), then, only when there are hints of ours, a section upstream's decoder stops before:
 * `FBXHINT0`, u16 version 0, u32 length, postcard list of {identity, hints[]} with tags 64 and 65.
 * The record form (`.fph`, or part of a channel): `FBPHINT0`, u16 version 0, u32 metadata length, u32 payload
 * length, metadata (postcard list of upstream's identities), payload (the raw form). Identities ascend by bytes.
 */
import { compareUtf8 } from "../../bytes/compare.ts";
import { concat } from "../../bytes/concat.ts";
import { PostcardWriter } from "../../bytes/postcard.ts";
import type { Hint, SparseChunk } from "./hints.ts";

export const HINTS_MAGIC = "GBXHINT0";
export const OWN_HINTS_MAGIC = "FBXHINT0";
export const HINTS_RECORD_MAGIC = "FBPHINT0";

/** Hints of a stage: at least one, at most one of each kind. */
export type StageHints = ReadonlyMap<string, readonly Hint[]>;

export const HINT_TAGS: Readonly<Record<Hint["kind"], number>> = {
  "android-sparse-index": 0,
  "tar-entry-index": 1,
  "content-digest": 2,
  "xz-blocks": 64,
  "block-hashes": 65,
};
const FIRST_OWN_TAG = 64;

export function encodeHints(hints: StageHints): Uint8Array<ArrayBuffer> {
  const theirs = encodeEntries(select(hints, (tag) => tag < FIRST_OWN_TAG));
  const ours = select(hints, (tag) => tag >= FIRST_OWN_TAG);
  const head = [ascii(HINTS_MAGIC), Uint8Array.of(0, 0), theirs];
  if (ours.length === 0) return concat(head);
  const section = encodeEntries(ours);
  return concat([
    ...head,
    ascii(OWN_HINTS_MAGIC),
    Uint8Array.of(0, 0),
    u32(section.length),
    section,
  ]);
}

/** A complete `.fph` record. */
export function encodeHintsRecord(hints: StageHints): Uint8Array<ArrayBuffer> {
  const payload = encodeHints(hints);
  const writer = new PostcardWriter();
  const named = select(hints, (tag) => tag < FIRST_OWN_TAG);
  writer.list(named, ([identity]) => writer.string(identity));
  const metadata = writer.finish();
  return concat([
    ascii(HINTS_RECORD_MAGIC),
    Uint8Array.of(0, 0),
    u32(metadata.length),
    u32(payload.length),
    metadata,
    payload,
  ]);
}

type Entry = readonly [identity: string, hints: readonly Hint[]];

function select(hints: StageHints, wanted: (tag: number) => boolean): Entry[] {
  return [...hints]
    .map(([identity, list]): Entry => [
      identity,
      list.filter(({ kind }) => wanted(HINT_TAGS[kind]))
        .sort((a, b) => HINT_TAGS[a.kind] - HINT_TAGS[b.kind]),
    ])
    .filter(([, list]) => list.length > 0)
    .sort(([a], [b]) => compareUtf8(a, b));
}

function encodeEntries(entries: readonly Entry[]): Uint8Array {
  const writer = new PostcardWriter();
  writer.list(entries, ([identity, list]) => {
    writer.string(identity);
    writer.list(list, (hint) => {
      writer.varint(HINT_TAGS[hint.kind]);
      writeHint(writer, hint);
    });
  });
  return writer.finish();
}

function writeHint(writer: PostcardWriter, hint: Hint): void {
  switch (hint.kind) {
    case "android-sparse-index":
      writer.varint(hint.fileHeaderBytes);
      writer.varint(hint.chunkHeaderBytes);
      writer.varint(hint.blockSizeBytes);
      writer.varint(hint.totalBlocks);
      writer.varint(hint.totalChunks);
      writer.varint(hint.imageChecksum);
      return writer.list(hint.chunks, (chunk) => writeChunk(writer, chunk));
    case "tar-entry-index":
      writer.string(hint.entryName);
      writer.varint(hint.headerOffsetBytes);
      writer.varint(hint.dataOffsetBytes);
      writer.varint(hint.sizeBytes);
      return writer.byte(hint.entryType);
    case "content-digest":
      writer.string(hint.digest);
      return writer.varint(hint.sizeBytes);
    case "xz-blocks":
      writer.varint(hint.storedSizeBytes);
      return writer.list(hint.blocks, (block) => {
        writer.varint(block.offsetBytes);
        writer.varint(block.unpaddedSizeBytes);
        writer.varint(block.plainSizeBytes);
        writer.byte(block.check);
      });
    case "block-hashes":
      writer.varint(hint.blockSizeBytes);
      writer.varint(hint.sizeBytes);
      return writer.bytes(hint.hashes);
  }
}

function writeChunk(writer: PostcardWriter, chunk: SparseChunk): void {
  const varint = (value: number) => writer.varint(value);
  varint(chunk.chunkIndex);
  varint(chunk.chunkType);
  varint(chunk.blockCount);
  varint(chunk.totalSizeBytes);
  varint(chunk.chunkOffsetBytes);
  varint(chunk.payloadOffsetBytes);
  varint(chunk.payloadSizeBytes);
  writer.option(chunk.outputStartBytes, varint);
  writer.option(chunk.outputEndBytes, varint);
  writer.option(chunk.fillPattern, (pattern) => writer.raw(pattern.subarray(0, 4)));
  writer.option(chunk.crc32, varint);
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
