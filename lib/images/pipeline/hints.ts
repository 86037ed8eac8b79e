/** What an earlier look at a stage found, so that opening it again needs no scan. Hints are never believed
 * unchecked: one that does not fit is dropped and the stage is scanned. */

/** Chunks and blocks of all hints of a file together, so that small bytes do not become large objects. */
export const MAX_HINT_ITEMS = 1 << 18;

/** Tags 0 to 2 are upstream's (pipeline.md 1.5); `xz-blocks` and `block-hashes` are ours. */
export type Hint =
  | AndroidSparseIndex
  | TarEntryIndex
  | ContentDigest
  | XzBlockTable
  | BlockHashes;

/** One chunk header of an Android sparse image. Offsets are in the stored file. */
export interface SparseChunk {
  readonly chunkIndex: number;
  readonly chunkType: number;
  /** Output blocks. */
  readonly blockCount: number;
  /** Bytes of header and payload. */
  readonly totalSizeBytes: number;
  readonly chunkOffsetBytes: number;
  readonly payloadOffsetBytes: number;
  readonly payloadSizeBytes: number;
  readonly outputStartBytes?: number;
  readonly outputEndBytes?: number;
  /** Four bytes. */
  readonly fillPattern?: Uint8Array;
  readonly crc32?: number;
}

export interface AndroidSparseIndex {
  readonly kind: "android-sparse-index";
  readonly fileHeaderBytes: number;
  readonly chunkHeaderBytes: number;
  readonly blockSizeBytes: number;
  readonly totalBlocks: number;
  readonly totalChunks: number;
  readonly imageChecksum: number;
  readonly chunks: readonly SparseChunk[];
}

export interface TarEntryIndex {
  readonly kind: "tar-entry-index";
  readonly entryName: string;
  readonly headerOffsetBytes: number;
  readonly dataOffsetBytes: number;
  readonly sizeBytes: number;
  /** The header's type byte. */
  readonly entryType: number;
}

/** The digest of everything a stage gives. */
export interface ContentDigest {
  readonly kind: "content-digest";
  /** `sha512:` and 128 hexadecimal digits. */
  readonly digest: string;
  readonly sizeBytes: number;
}

/** Where the blocks of an xz file lie, all streams of it. */
export interface XzBlockTable {
  readonly kind: "xz-blocks";
  /** Of the stored file. */
  readonly storedSizeBytes: number;
  readonly blocks: readonly XzBlock[];
}

export interface XzBlock {
  /** Of the block's header in the stored file. */
  readonly offsetBytes: number;
  /** Header, data and check, without the padding. */
  readonly unpaddedSizeBytes: number;
  readonly plainSizeBytes: number;
  /** The stream's check: 0, 1, 4 or 10. */
  readonly check: number;
}

/** SHA-256 of each block of what a stage gives, the last one as short as it is. */
export interface BlockHashes {
  readonly kind: "block-hashes";
  readonly blockSizeBytes: number;
  readonly sizeBytes: number;
  /** 32 bytes per block. */
  readonly hashes: Uint8Array;
}
