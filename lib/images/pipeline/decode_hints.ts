/**
 * Bytes -> hints by the identity of their stage. Layout: encode_hints.ts.
 *
 * Whether a hint fits its source is not asked here: whoever uses one checks it.
 */
import { compareUtf8 } from "../../bytes/compare.ts";
import { PostcardReader } from "../../bytes/postcard.ts";
import { FastboopError } from "../../errors/errors.ts";
import { HINT_TAGS, HINTS_MAGIC, HINTS_RECORD_MAGIC, OWN_HINTS_MAGIC } from "./encode_hints.ts";
import {
  type BlockHashes,
  type Hint,
  MAX_HINT_ITEMS,
  type SparseChunk,
  type TarEntryIndex,
} from "./hints.ts";
import { MAX_TEXT_BYTES } from "./pipeline_rules.ts";

/** Of one raw form: an index of 262144 chunks has 9 MB, the hashes of 100 GB have 3 MB. */
const MAX_BYTES = 16 << 20;
const MAX_ENTRIES = 1 << 12;
/** Sixteen wrappers and a leaf, each with texts. */
const MAX_IDENTITY_BYTES = 1 << 18;
const HEADER_BYTES = 18;

type Tags = ReadonlyMap<number, Hint["kind"]>;
const tags = (kinds: readonly Hint["kind"][]): Tags => new Map(kinds.map((k) => [HINT_TAGS[k], k]));
const THEIR_TAGS = tags(["android-sparse-index", "tar-entry-index", "content-digest"]);
/** Until April 2026 there was no tar entry index (fastboop-cli.md 7). */
const MARCH_TAGS: Tags = new Map([[0, "android-sparse-index"], [1, "content-digest"]]);
const OUR_TAGS = tags(["xz-blocks", "block-hashes"]);

/** A record and where it ends. */
export interface HintsRecord {
  readonly hints: Map<string, Hint[]>;
  readonly sizeBytes: number;
}

/**
 * Decodes the raw form, which must be all of `bytes`.
 *
 * @throws {FastboopError} `corrupt`, `limit` above 16 MiB or 262144 chunks and blocks, `unsupported` version.
 */
export function decodeHints(bytes: Uint8Array, what = "the pipeline hints"): Map<string, Hint[]> {
  return decodeRaw(bytes, `Read ${what}`, "all").hints;
}

/**
 * Decodes the raw form at the start of `bytes`: until March 2026 it stood behind a profile without a record.
 *
 * @throws {FastboopError} as decodeHints.
 */
export function decodeLeadingHints(
  bytes: Uint8Array,
  what = "the pipeline hints",
): HintsRecord {
  const { hints, sizeBytes } = decodeRaw(bytes.subarray(0, MAX_BYTES), `Read ${what}`, "start");
  return { hints, sizeBytes };
}

/**
 * Decodes the record at the start of `bytes`; its metadata must name the payload's entries.
 *
 * @throws {FastboopError} as decodeHints.
 */
export function decodeHintsRecord(
  bytes: Uint8Array,
  what = "the record of pipeline hints",
): HintsRecord {
  const action = `Read ${what}`;
  const reader = new PostcardReader(bytes, action);
  readHead(reader, HINTS_RECORD_MAGIC);
  const metadataBytes = readU32(reader);
  const payloadBytes = readU32(reader);
  const sizeBytes = HEADER_BYTES + metadataBytes + payloadBytes;
  if (sizeBytes > bytes.length) {
    reader.fail(`the record has ${sizeBytes} bytes, ${bytes.length} are there`);
  }
  const metadata = new PostcardReader(reader.raw(metadataBytes), action);
  const named = metadata.list(1, MAX_ENTRIES, () => metadata.string(MAX_IDENTITY_BYTES));
  if (metadata.leftBytes > 0) metadata.fail(`${metadata.leftBytes} bytes follow the metadata`);
  const { hints, theirs } = decodeRaw(reader.raw(payloadBytes), action, "all");
  if (named.length !== theirs.length || named.some((identity, i) => identity !== theirs[i])) {
    reader.fail("the metadata names other stages than the payload holds");
  }
  return { hints, sizeBytes };
}

/** How much of the bytes the hints are. */
type Extent = "all" | "start";

function decodeRaw(bytes: Uint8Array, action: string, extent: Extent) {
  try {
    return decodeAs(THEIR_TAGS, bytes, action, extent);
  } catch (error) {
    if (!(error instanceof FastboopError) || error.kind !== "corrupt") throw error;
    try {
      return decodeAs(MARCH_TAGS, bytes, action, extent);
    } catch {
      throw error;
    }
  }
}

function decodeAs(theirTags: Tags, bytes: Uint8Array, action: string, extent: Extent) {
  const reader = new PostcardReader(bytes, action);
  if (bytes.length > MAX_BYTES) reader.fail(`it has ${bytes.length} bytes`, "limit");
  readHead(reader, HINTS_MAGIC);
  const decoder = new EntryDecoder(reader);
  const hints = decoder.entries(theirTags);
  const theirs = [...hints.keys()];
  if (magicAt(bytes, reader.offsetBytes) === OWN_HINTS_MAGIC) {
    readHead(reader, OWN_HINTS_MAGIC);
    const endBytes = readU32(reader) + reader.offsetBytes;
    for (const [identity, list] of decoder.entries(OUR_TAGS)) {
      hints.set(identity, [...hints.get(identity) ?? [], ...list]);
    }
    if (reader.offsetBytes !== endBytes) reader.fail(`a section must end at byte ${endBytes}`);
  }
  if (extent === "all" && reader.leftBytes > 0) {
    reader.fail(`${reader.leftBytes} bytes follow the hints`);
  }
  return { hints, theirs, sizeBytes: reader.offsetBytes };
}

class EntryDecoder {
  readonly #reader: PostcardReader;
  #itemsLeft = MAX_HINT_ITEMS;

  constructor(reader: PostcardReader) {
    this.#reader = reader;
  }

  entries(kinds: Tags): Map<string, Hint[]> {
    const reader = this.#reader;
    const hints = new Map<string, Hint[]>();
    let before: string | undefined;
    reader.list(3, MAX_ENTRIES, () => {
      const identity = reader.string(MAX_IDENTITY_BYTES);
      if (identity.trim() === "") reader.fail("a stage has no identity");
      if (before !== undefined && compareUtf8(before, identity) >= 0) {
        reader.fail("the stages are not in ascending order");
      }
      before = identity;
      const list = reader.list(1, kinds.size, () => this.#hint(kinds));
      if (list.length === 0) reader.fail("a stage has no hint");
      if (new Set(list.map(({ kind }) => kind)).size < list.length) {
        reader.fail("a stage has two hints of one kind");
      }
      hints.set(identity, list);
    });
    return hints;
  }

  #hint(kinds: Tags): Hint {
    const reader = this.#reader;
    const tag = reader.varint("u32");
    const kind = kinds.get(tag) ?? reader.fail(`no hint has the number ${tag}`);
    const u32 = () => reader.varint("u32");
    const u64 = () => reader.varint("u64");
    switch (kind) {
      case "android-sparse-index":
        return {
          kind,
          fileHeaderBytes: reader.varint("u16"),
          chunkHeaderBytes: reader.varint("u16"),
          blockSizeBytes: u32(),
          totalBlocks: u32(),
          totalChunks: u32(),
          imageChecksum: u32(),
          chunks: this.#items(11, () => readChunk(reader)),
        };
      case "tar-entry-index":
        return readTarEntry(reader);
      case "content-digest":
        return { kind, digest: readDigest(reader), sizeBytes: u64() };
      case "xz-blocks":
        return {
          kind,
          storedSizeBytes: u64(),
          blocks: this.#items(4, () => ({
            offsetBytes: u64(),
            unpaddedSizeBytes: u64(),
            plainSizeBytes: u64(),
            check: reader.byte(),
          })),
        };
      case "block-hashes":
        return readHashes(reader);
    }
  }

  #items<T>(itemBytes: number, read: () => T): T[] {
    const items = this.#reader.list(itemBytes, this.#itemsLeft, read);
    this.#itemsLeft -= items.length;
    return items;
  }
}

/** There may be hundreds of thousands: one object each, and a pattern that is a view into the input. */
function readChunk(reader: PostcardReader): SparseChunk {
  const chunk: Mutable<SparseChunk> = {
    chunkIndex: reader.varint("u32"),
    chunkType: reader.varint("u16"),
    blockCount: reader.varint("u32"),
    totalSizeBytes: reader.varint("u32"),
    chunkOffsetBytes: reader.varint("u64"),
    payloadOffsetBytes: reader.varint("u64"),
    payloadSizeBytes: reader.varint("u64"),
  };
  if (reader.bool()) chunk.outputStartBytes = reader.varint("u64");
  if (reader.bool()) chunk.outputEndBytes = reader.varint("u64");
  if (reader.bool()) chunk.fillPattern = reader.raw(4);
  if (reader.bool()) chunk.crc32 = reader.varint("u32");
  return chunk;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function readTarEntry(reader: PostcardReader): TarEntryIndex {
  const entry: TarEntryIndex = {
    kind: "tar-entry-index",
    entryName: reader.string(MAX_TEXT_BYTES),
    headerOffsetBytes: reader.varint("u64"),
    dataOffsetBytes: reader.varint("u64"),
    sizeBytes: reader.varint("u64"),
    entryType: reader.byte(),
  };
  // Also what tells this generation's tag 1 from March's, which was a digest.
  if (entry.headerOffsetBytes % 512 !== 0 || entry.dataOffsetBytes % 512 !== 0) {
    reader.fail("a tar entry is not at a multiple of 512");
  }
  if (entry.dataOffsetBytes <= entry.headerOffsetBytes) {
    reader.fail("a tar entry's data do not follow its header");
  }
  return entry;
}

function readDigest(reader: PostcardReader): string {
  const digest = reader.string(MAX_TEXT_BYTES);
  return /^sha512:[0-9a-f]{128}$/.test(digest) ? digest : reader.fail("a digest is not a SHA-512");
}

function readHashes(reader: PostcardReader): BlockHashes {
  const blockSizeBytes = reader.varint("u64");
  const sizeBytes = reader.varint("u64");
  const hashes = reader.bytes(MAX_BYTES).slice();
  if (blockSizeBytes === 0 || hashes.length !== 32 * Math.ceil(sizeBytes / blockSizeBytes)) {
    reader.fail("the block hashes are not one per block");
  }
  return { kind: "block-hashes", blockSizeBytes, sizeBytes, hashes };
}

function readHead(reader: PostcardReader, magic: string): void {
  if (magicAt(reader.raw(magic.length), 0) !== magic) reader.fail(`${magic} must stand here`);
  const version = reader.byte() + reader.byte() * 256;
  if (version !== 0) reader.fail(`the version is ${version}, 0 is read`, "unsupported");
}

function magicAt(bytes: Uint8Array, offsetBytes: number): string {
  return new TextDecoder("latin1").decode(bytes.subarray(offsetBytes, offsetBytes + 8));
}

function readU32(reader: PostcardReader): number {
  const bytes = reader.raw(4);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
}
