/**
 * A newc archive front to back into a sink, through one buffer: file data goes from its file into the
 * buffer and from there into the sink.
 */
import { cancelled } from "../../errors/errors.ts";
import type { ByteSink } from "../../sources/byte_sink.ts";
import type { Reader } from "../../sources/reader.ts";
import type { CpioEntry } from "./entry.ts";
import { dataBytes } from "./entry.ts";
import {
  type CpioOptions,
  HEADER_ROOM_BYTES,
  paddingBytes,
  putHeader,
  putTrailer,
} from "./header.ts";

/** Options of a write. */
export interface WriteCpioOptions extends CpioOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((doneEntries: number, totalEntries: number) => void) | undefined;
}

const BUFFER_BYTES = 1024 * 1024;

/**
 * Writes `entries` in the order given (as `cpioEntries` or `orderEntries` made it) and the trailer.
 *
 * @throws {FastboopError} `source` when a file changed meanwhile, `cancelled`, what the sink throws, and
 * `usage`, `limit` or `unsupported` for what the kernel would drop silently.
 */
export async function writeCpio(
  entries: readonly CpioEntry[],
  sink: ByteSink,
  options: WriteCpioOptions = {},
): Promise<void> {
  const writer = new ArchiveBuffer(sink);
  for (const [index, entry] of entries.entries()) {
    if (options.signal?.aborted) throw cancelled("Write the cpio archive", options.signal);
    await writer.reserve(HEADER_ROOM_BYTES);
    writer.fill += putHeader(writer.buffer, writer.fill, entry, options);
    if (entry.data !== undefined) await writer.addBytes(entry.data);
    else if (entry.source !== undefined) await addSource(writer, entry.source, options.signal);
    await writer.addZeros(paddingBytes(dataBytes(entry)));
    options.onProgress?.(index + 1, entries.length);
  }
  await writer.reserve(HEADER_ROOM_BYTES);
  writer.fill += putTrailer(writer.buffer, writer.fill);
  await writer.flush();
}

async function addSource(
  writer: ArchiveBuffer,
  source: NonNullable<CpioEntry["source"]>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const reader = await source.open();
  try {
    await writer.addFrom(reader, source.sizeBytes, signal);
  } finally {
    await reader[Symbol.asyncDispose]();
  }
}

/** Collects small pieces; the sink sees whole buffers. */
class ArchiveBuffer {
  readonly buffer = new Uint8Array(BUFFER_BYTES);
  fill = 0;
  readonly #sink: ByteSink;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Makes room for that many bytes at `fill`. */
  async reserve(countBytes: number): Promise<void> {
    if (this.fill + countBytes > BUFFER_BYTES) await this.flush();
  }

  async addBytes(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      await this.reserve(1);
      const part = bytes.subarray(done, done + BUFFER_BYTES - this.fill);
      this.buffer.set(part, this.fill);
      this.fill += part.length;
      done += part.length;
    }
  }

  async addZeros(countBytes: number): Promise<void> {
    if (countBytes === 0) return;
    await this.reserve(countBytes);
    this.buffer.fill(0, this.fill, this.fill + countBytes);
    this.fill += countBytes;
  }

  async addFrom(reader: Reader, sizeBytes: number, signal: AbortSignal | undefined) {
    const options = signal === undefined ? {} : { signal };
    for (let done = 0; done < sizeBytes;) {
      await this.reserve(1);
      const count = Math.min(sizeBytes - done, BUFFER_BYTES - this.fill);
      await reader.readAt(done, this.buffer.subarray(this.fill, this.fill + count), options);
      this.fill += count;
      done += count;
    }
  }

  async flush(): Promise<void> {
    if (this.fill > 0) await this.#sink.write(this.buffer.subarray(0, this.fill));
    this.fill = 0;
  }
}
