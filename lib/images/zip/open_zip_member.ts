/**
 * The data of one member of a zip archive: a window when it is stored, decoded front to back into scratch space
 * as far as it is read when it is deflated (see sequential_reader.ts for what is promised of it).
 *
 * CRC-32 and size of a deflated member are compared before its last bytes are given, the CRC-32 of a stored one
 * when it was read front to back. Source: PKWARE APPNOTE.TXT 6.3, 4.3.7.
 */
import { crc32 } from "node:zlib";
import { FastboopError } from "../../errors/errors.ts";
import { MemorySpill } from "../../sources/memory_spill.ts";
import type { Reader, ReadOptions } from "../../sources/reader.ts";
import type { ContainerOptions } from "../container.ts";
import { SequentialReader } from "../sequential_reader.ts";
import { WindowReader } from "../window_reader.ts";
import { DeflatePieces } from "./deflate_pieces.ts";
import type { ZipDirectory } from "./read_zip_directory.ts";
import { brokenZip, parseExtra, SATURATED, zip64Fields, type ZipEntry } from "./zip_entry.ts";

const LOCAL_MAGIC = 0x04034b50;
const LOCAL_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;
const FLAG = { encrypted: 1, laterSizes: 8, patch: 0x20, strong: 0x40, masked: 0x2000 } as const;
const OTHER_METHODS: Record<number, string> = {
  1: "shrunk",
  6: "imploded",
  9: "Deflate64",
  12: "bzip2",
  14: "LZMA",
  93: "Zstandard",
  95: "xz",
  98: "PPMd",
  99: "AES encryption",
};
/** Of a decoded member, where there is no spill. */
const MEMORY_BYTES = 256 << 20;
/** Deflate gives 258 bytes for 2 bits at best. */
const MOST_RATIO = 1032;

/**
 * Opens the data of `entry`; `owns` tells the reader to dispose `source`.
 *
 * @throws {FastboopError} `unsupported` naming the method or encryption, `corrupt` when the local header or
 * the data do not agree with the directory, `limit`.
 */
export async function openZipMember(
  action: string,
  identity: string,
  source: Reader,
  directory: ZipDirectory,
  entry: ZipEntry,
  options: ContainerOptions & { owns: boolean },
): Promise<Reader> {
  checkReadable(action, entry);
  const offsetBytes = await dataOffset(action, source, directory, entry, options.signal);
  if (entry.method === STORED) {
    const window = new WindowReader(source, {
      offsetBytes,
      sizeBytes: entry.sizeBytes,
      identity,
      owns: options.owns,
    });
    return new CheckedReader(window, entry.crc32);
  }
  const spill = await (options.spill?.() ?? new MemorySpill(MEMORY_BYTES));
  const decoded = new SequentialReader({
    identity,
    sizeBytes: entry.sizeBytes,
    begin: () => new DeflatePieces(action, source, offsetBytes, entry),
    spill,
  });
  return new DecodedReader(decoded, options.owns ? [spill, source] : [spill]);
}

function checkReadable(action: string, entry: ZipEntry): void {
  const refuse = (state: string) => new FastboopError({ kind: "unsupported", action, state });
  if ((entry.flags & (FLAG.encrypted | FLAG.strong | FLAG.masked)) !== 0) {
    throw refuse("it is encrypted");
  }
  if (entry.method !== STORED && entry.method !== DEFLATED) {
    const name = OTHER_METHODS[entry.method] ?? "an unknown method";
    throw refuse(
      `it is compressed by method ${entry.method} (${name}); stored and deflate are read`,
    );
  }
  if ((entry.flags & FLAG.patch) !== 0) throw refuse("it is a patch of another file");
  if (entry.method === STORED && entry.storedBytes !== entry.sizeBytes) {
    throw brokenZip(
      action,
      `it is stored, but has ${entry.storedBytes} of ${entry.sizeBytes} bytes`,
    );
  }
  if (entry.sizeBytes > entry.storedBytes * MOST_RATIO) {
    throw brokenZip(action, `${entry.storedBytes} bytes cannot hold ${entry.sizeBytes}`);
  }
}

/** Where the data begins, once the local header has said the same as the directory. */
async function dataOffset(
  action: string,
  source: Reader,
  directory: ZipDirectory,
  entry: ZipEntry,
  signal?: AbortSignal,
): Promise<number> {
  const at = directory.baseBytes + entry.offsetBytes;
  const nameEnd = LOCAL_BYTES + entry.nameBytes.length;
  if (at > directory.offsetBytes - nameEnd - entry.storedBytes) {
    throw brokenZip(action, "it goes beyond the start of the directory");
  }
  const leftBytes = directory.offsetBytes - at;
  const bytes = new Uint8Array(Math.min(nameEnd + 0xffff, leftBytes));
  const headBytes = bytes.subarray(0, Math.min(bytes.length, nameEnd + 256));
  const options = signal === undefined ? {} : { signal };
  await source.readAt(at, headBytes, options);
  const view = new DataView(bytes.buffer);
  if (view.getUint32(0, true) !== LOCAL_MAGIC) {
    throw brokenZip(action, `there is no local header at byte ${at}`);
  }
  const start = nameEnd + view.getUint16(28, true);
  if (start > leftBytes - entry.storedBytes) throw brokenZip(action, "its data is cut");
  if (start > headBytes.length) {
    await source.readAt(at + headBytes.length, bytes.subarray(headBytes.length, start), options);
  }
  const extra = parseExtra(action, bytes.subarray(nameEnd, start));
  if (!agrees(action, view, bytes.subarray(LOCAL_BYTES, nameEnd), extra, entry)) {
    throw brokenZip(action, "its local header does not say what the directory says");
  }
  return at + start;
}

function agrees(
  action: string,
  view: DataView,
  name: Uint8Array,
  extra: ReadonlyMap<number, Uint8Array>,
  entry: ZipEntry,
): boolean {
  const flags = view.getUint16(6, true);
  const same = view.getUint16(8, true) === entry.method &&
    (flags & FLAG.encrypted) === 0 &&
    (flags & FLAG.laterSizes) === (entry.flags & FLAG.laterSizes) &&
    view.getUint16(26, true) === name.length &&
    name.every((byte, i) => byte === entry.nameBytes[i]);
  if (!same || (flags & FLAG.laterSizes) !== 0) return same;
  // Some programs mark one of both sizes alone, but the local field always has both.
  const [storedBytes, sizeBytes] = [view.getUint32(18, true), view.getUint32(22, true)];
  const isWide = storedBytes === SATURATED || sizeBytes === SATURATED;
  const wide = isWide && extra.has(1)
    ? zip64Fields(action, extra, {
      storedBytes: SATURATED,
      sizeBytes: SATURATED,
      offsetBytes: 0,
      disk: 0,
    })
    : { storedBytes, sizeBytes };
  return view.getUint32(14, true) === entry.crc32 && wide.storedBytes === entry.storedBytes &&
    wide.sizeBytes === entry.sizeBytes;
}

/** Compares the CRC-32 of what is read from 0 on without a gap, when it comes to the end. */
class CheckedReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #window: Reader;
  readonly #expected: number;
  #sum = 0;
  #summedBytes = 0;

  constructor(window: Reader, expected: number) {
    this.sizeBytes = window.sizeBytes;
    this.identity = window.identity;
    this.#window = window;
    this.#expected = expected;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options?: ReadOptions): Promise<void> {
    await this.#window.readAt(offsetBytes, into, options);
    if (offsetBytes === 0) {
      this.#sum = 0;
      this.#summedBytes = 0;
    }
    if (into.length === 0 || offsetBytes !== this.#summedBytes) return;
    this.#sum = crc32(into, this.#sum);
    this.#summedBytes += into.length;
    if (this.#summedBytes === this.sizeBytes && this.#sum !== this.#expected) {
      throw brokenZip(`Read ${this.identity}`, "the CRC-32 of its data is wrong");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#window[Symbol.asyncDispose]();
  }
}

/** A member that is being decoded, with what it is decoded from and into. */
class DecodedReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  readonly #decoded: SequentialReader;
  readonly #owned: readonly AsyncDisposable[];

  constructor(decoded: SequentialReader, owned: readonly AsyncDisposable[]) {
    this.identity = decoded.identity;
    this.sizeBytes = decoded.sizeBytes;
    this.#decoded = decoded;
    this.#owned = owned;
  }

  readAt(offsetBytes: number, into: Uint8Array, options?: ReadOptions): Promise<void> {
    return this.#decoded.readAt(offsetBytes, into, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#decoded[Symbol.asyncDispose]();
    for (const one of this.#owned) await one[Symbol.asyncDispose]();
  }
}
