/**
 * Where the frames of a zstd file lie and what each holds: from the seek table at its end, or else from the
 * frames' and blocks' headers.
 *
 * ```text
 * seek table: 5e 2a 4d 18 | size u32 | (stored u32, plain u32, [checksum u32])... | count u32 | flags | b1 ea 92 8f
 * ```
 *
 * Source: zstd's contrib/seekable_format/zstd_seekable_compression_format.md 0.1.1.
 */
import type { Reader } from "../../sources/reader.ts";
import { StoredInput } from "../stored_input.ts";
import {
  BLOCK_HEADER_BYTES,
  brokenZstd,
  FRAME_START_BYTES,
  frameHeaderSize,
  frameKind,
  parseBlockHeader,
  parseFrameHeader,
  SKIPPABLE_HEADER_BYTES,
} from "./frame_header.ts";

const TABLE_MAGIC = 0x8f92eab1;
const TABLE_FRAME_MAGIC = 0x184d2a5e;
const TABLE_FOOTER_BYTES = 9;
/** A table is kept in memory. */
const MAX_FRAMES = 1 << 20;
/** Headers are small, and what lies between them is skipped. */
const WALK_BYTES = 4 << 10;

export interface ZstdFrame {
  readonly offsetBytes: number;
  readonly storedBytes: number;
  readonly plainBytes: number;
  /** Low half of XXH64 of the content, from the seek table. */
  readonly checksum?: number;
}

/**
 * The frames, or undefined when one of them does not say how much it holds.
 *
 * A seek table that does not fit the file is as if it were not there.
 *
 * @throws {FastboopError} `corrupt`, `limit`, `unsupported`; what reading throws.
 */
export async function readZstdFrames(
  source: Reader,
  signal?: AbortSignal,
): Promise<ZstdFrame[] | undefined> {
  return await readSeekTable(source, signal) ?? await walkFrames(source, signal);
}

async function readSeekTable(
  source: Reader,
  signal?: AbortSignal,
): Promise<ZstdFrame[] | undefined> {
  const options = signal ? { signal } : {};
  const { sizeBytes } = source;
  if (sizeBytes < SKIPPABLE_HEADER_BYTES + TABLE_FOOTER_BYTES) return undefined;
  const footer = new DataView(new ArrayBuffer(TABLE_FOOTER_BYTES));
  await source.readAt(sizeBytes - TABLE_FOOTER_BYTES, new Uint8Array(footer.buffer), options);
  const count = footer.getUint32(0, true);
  const flags = footer.getUint8(4);
  if (footer.getUint32(5, true) !== TABLE_MAGIC || (flags & 0x7c) !== 0) return undefined;
  const entryBytes = (flags & 0x80) !== 0 ? 12 : 8;
  const tableBytes = SKIPPABLE_HEADER_BYTES + count * entryBytes + TABLE_FOOTER_BYTES;
  if (count > MAX_FRAMES) throw brokenZstd(`it has more than ${MAX_FRAMES} frames`, "limit");
  if (tableBytes > sizeBytes) return undefined;
  const table = new DataView(new ArrayBuffer(tableBytes));
  await source.readAt(sizeBytes - tableBytes, new Uint8Array(table.buffer), options);
  const isTable = table.getUint32(0, true) === TABLE_FRAME_MAGIC &&
    table.getUint32(4, true) === tableBytes - SKIPPABLE_HEADER_BYTES;
  if (!isTable) return undefined;
  const frames: ZstdFrame[] = [];
  let offsetBytes = 0;
  for (let i = 0; i < count; i++) {
    const at = SKIPPABLE_HEADER_BYTES + i * entryBytes;
    const storedBytes = table.getUint32(at, true);
    const plainBytes = table.getUint32(at + 4, true);
    const checksum = entryBytes === 12 ? { checksum: table.getUint32(at + 8, true) } : {};
    frames.push({ offsetBytes, storedBytes, plainBytes, ...checksum });
    offsetBytes += storedBytes;
  }
  return offsetBytes === sizeBytes - tableBytes ? frames : undefined;
}

async function walkFrames(source: Reader, signal?: AbortSignal): Promise<ZstdFrame[] | undefined> {
  const input = new StoredInput(source, 0, source.sizeBytes, 0, WALK_BYTES);
  const need = async (countBytes: number) => {
    if (!await input.has(countBytes, signal)) throw brokenZstd("it is cut short");
    return input.bytes.subarray(input.at);
  };
  const skip = (countBytes: number) => {
    if (!input.skip(countBytes)) throw brokenZstd("it is cut short");
  };
  const frames: ZstdFrame[] = [];
  let seen = 0;
  for (; await input.has(1, signal); seen++) {
    if (seen >= MAX_FRAMES) throw brokenZstd(`it has more than ${MAX_FRAMES} frames`, "limit");
    const { offsetBytes } = input;
    if (frameKind(await need(FRAME_START_BYTES)) === "skippable") {
      const bytes = await need(SKIPPABLE_HEADER_BYTES);
      skip(
        SKIPPABLE_HEADER_BYTES + new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true),
      );
      continue;
    }
    const headerBytes = frameHeaderSize(await need(FRAME_START_BYTES));
    const { plainBytes, hasChecksum } = parseFrameHeader(await need(headerBytes));
    if (plainBytes === undefined) return undefined;
    skip(headerBytes);
    for (let isLast = false; !isLast;) {
      const block = parseBlockHeader(await need(BLOCK_HEADER_BYTES));
      skip(BLOCK_HEADER_BYTES + block.storedBytes);
      isLast = block.isLast;
    }
    if (hasChecksum) skip(4);
    frames.push({ offsetBytes, storedBytes: input.offsetBytes - offsetBytes, plainBytes });
  }
  if (seen === 0) throw brokenZstd("it is no zstd file");
  return frames;
}
