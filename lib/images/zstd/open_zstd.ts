/**
 * A zstd file as a Reader of its content.
 *
 * Where every frame says how much it holds, or a seek table does, frames up to 64 MiB are decoded whole, each
 * alone, and larger ones through SequentialReader. Else all is decoded, and checked, at opening.
 */
import type { Reader } from "../../sources/reader.ts";
import { BlockReader, MAX_WHOLE_BLOCK_BYTES } from "../block_reader.ts";
import { type DecodedOptions, openDecoded } from "../open_decoded.ts";
import { brokenZstd } from "./frame_header.ts";
import { readZstdFrames, type ZstdFrame } from "./read_zstd_frames.ts";
import { xxh64 } from "./xxh64.ts";
import { ZstdPieces } from "./zstd_pieces.ts";

/**
 * Opens a zstd file of any number of frames. To find them the file is gone through once, unless it has a seek
 * table: 4 KiB are read for each block of 128 KiB.
 *
 * @throws {FastboopError} `corrupt`, `unsupported`, `limit`; what reading and the scratch space throw.
 */
export async function openZstd(source: Reader, options: DecodedOptions = {}): Promise<Reader> {
  const identity = `zstd:(${source.identity})`;
  const frames = await readZstdFrames(source, options.signal);
  if (!frames) return await openDecoded(identity, source, new ZstdPieces(source), options);
  const maxOutputBytes = options.maxOutputBytes ?? 64 * 2 ** 30;
  const plainSizes = frames.map(({ plainBytes }) => plainBytes);
  const plainBytes = plainSizes.reduce((sum, sizeBytes) => sum + sizeBytes, 0);
  if (plainBytes > maxOutputBytes) {
    throw brokenZstd(`it holds ${plainBytes} bytes, more than ${maxOutputBytes}`, "limit");
  }
  return new BlockReader({
    identity,
    source,
    plainSizes,
    load: (index, signal) => decodeFrame(source, frames[index]!, signal),
    isLarge: (index) => frames[index]!.plainBytes > MAX_WHOLE_BLOCK_BYTES,
    beginLarge: (index) => {
      const { offsetBytes, storedBytes } = frames[index]!;
      return new ZstdPieces(source, offsetBytes, offsetBytes + storedBytes);
    },
    cacheBytes: options.cacheBytes,
    spill: options.spill,
    readsAhead: false,
  });
}

async function decodeFrame(
  source: Reader,
  frame: ZstdFrame,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { offsetBytes, storedBytes, plainBytes } = frame;
  const pieces = new ZstdPieces(source, offsetBytes, offsetBytes + storedBytes);
  const plain = new Uint8Array(plainBytes);
  try {
    await fill(plain, pieces, signal);
  } finally {
    pieces.end();
  }
  if (frame.checksum !== undefined) {
    const checksum = pieces.lastChecksum ?? Number(xxh64(plain) & 0xffff_ffffn);
    if (checksum !== frame.checksum) {
      throw brokenZstd("a checksum of the seek table does not match");
    }
  }
  return plain;
}

async function fill(plain: Uint8Array, pieces: ZstdPieces, signal: AbortSignal): Promise<void> {
  let doneBytes = 0;
  for (let piece; (piece = await pieces.next(signal)) !== undefined;) {
    if (doneBytes + piece.length > plain.length) throw brokenZstd(OTHER_SIZE);
    plain.set(piece, doneBytes);
    doneBytes += piece.length;
  }
  if (doneBytes !== plain.length) throw brokenZstd(OTHER_SIZE);
}

const OTHER_SIZE = "a frame has another size than the file says";
