/**
 * Data of a compressed EROFS file.
 *
 * Clusters that are read whole are decoded out of the image's pages straight into the caller's array;
 * those read in part go through the cache of decoded clusters.
 */
import { cancelled } from "../../errors/errors.ts";
import { checkBounds } from "../../sources/bounds.ts";
import type { Reader, ReadOptions } from "../../sources/reader.ts";
import { damaged } from "../damaged.ts";
import { lend } from "../image_pages.ts";
import { decodeCluster } from "./decode_cluster.ts";
import type { DecodedClusters } from "./decoded_clusters.ts";
import { type Extent, type ExtentMap, FORMAT } from "./extent_map.ts";
import { MAX_DECODED_BYTES, MAX_STORED_BYTES } from "./format.ts";

/** Where a compressed file's bytes come from. */
export interface ClusterSpaces {
  readonly image: Reader;
  /** The space the inode lies in, with its inline tail. */
  readonly meta: Reader;
  /** The packed file, for fragments. */
  readonly packed: () => Promise<Reader>;
  readonly clusters: DecodedClusters;
  readonly blockBytes: number;
  readonly paddedInFront: boolean;
}

export class CompressedData implements Reader {
  readonly sizeBytes: number;
  readonly #name: () => string;
  readonly #map: ExtentMap;
  readonly #spaces: ClusterSpaces;

  /** The name is made when it is asked for, which for most files is never. */
  constructor(name: () => string, map: ExtentMap, spaces: ClusterSpaces) {
    this.#name = name;
    this.sizeBytes = map.sizeBytes;
    this.#map = map;
    this.#spaces = spaces;
  }

  get identity(): string {
    return this.#name();
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    checkBounds(this, offsetBytes, into.length);
    const end = offsetBytes + into.length;
    let index = this.#map.find(offsetBytes);
    for (let at = offsetBytes; at < end; index++) {
      if (options.signal?.aborted) throw cancelled(this.#action, options.signal);
      const extent = this.#map.at(index);
      const stop = Math.min(end, extent.end);
      const part = into.subarray(at - offsetBytes, stop - offsetBytes);
      const whole = at === extent.start && stop === extent.end;
      if (extent.format === FORMAT.HOLE) part.fill(0);
      else if (extent.format === FORMAT.FRAGMENT) {
        await this.#readFragment(extent, at - extent.start, part, options);
      } else if (whole && !extent.inline) {
        const { physical, storedBytes } = this.#checked(extent);
        const lent = lend(this.#spaces.image, physical, storedBytes, options);
        const { bytes, offsetBytes: from } = lent instanceof Promise ? await lent : lent;
        const input = bytes.subarray(physical - from, physical - from + storedBytes);
        this.#decode(extent, input, part);
      } else {
        const cluster = await this.#cluster(extent);
        part.set(cluster.subarray(at - extent.start, stop - extent.start));
      }
      at = stop;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  get #action(): string {
    return `Read ${this.identity}`;
  }

  async #readFragment(
    extent: Extent,
    skip: number,
    part: Uint8Array,
    options: ReadOptions,
  ): Promise<void> {
    const packed = await this.#spaces.packed();
    const offset = extent.physical + skip;
    if (offset + part.length > packed.sizeBytes) {
      throw damaged(this.#action, `a fragment at ${extent.physical} lies behind the packed file`);
    }
    await packed.readAt(offset, part, options);
  }

  #cluster(extent: Extent): Promise<Uint8Array> {
    const { start, end, format, physical, storedBytes, inline } = this.#checked(extent);
    const { image, meta, clusters } = this.#spaces;
    const space = inline ? meta : image;
    // Deduplicated extents share clusters, but perhaps not all that their bytes depend on.
    const rotation = format === FORMAT.INTERLACED ? this.#rotation(extent) : 0;
    const numbers = [physical, storedBytes, end - start, format, rotation];
    return clusters.get(`${space.identity}:${numbers.join(":")}`, async () => {
      const input = new Uint8Array(storedBytes);
      await space.readAt(physical, input);
      const output = new Uint8Array(end - start);
      this.#decode(extent, input, output);
      return output;
    });
  }

  /** Where data that keeps its place within a block begins in its first one. */
  #rotation({ start }: Extent): number {
    return start % this.#spaces.blockBytes;
  }

  #decode(extent: Extent, input: Uint8Array, output: Uint8Array): void {
    const { blockBytes, paddedInFront } = this.#spaces;
    if (extent.format === FORMAT.SHIFTED) output.set(input.subarray(0, output.length));
    else if (extent.format === FORMAT.INTERLACED) {
      const from = this.#rotation(extent);
      const head = Math.min(blockBytes - from, output.length);
      output.set(input.subarray(from, from + head));
      output.set(input.subarray(0, output.length - head), head);
    } else {
      const { partial } = extent;
      const algorithm = extent.format - FORMAT.COMPRESSED;
      decodeCluster(() => this.#action, algorithm, input, output, { partial, paddedInFront });
    }
  }

  /** The extent, once its numbers are known to be possible. */
  #checked(extent: Extent): Extent {
    const { start, end, format, physical, storedBytes, inline } = extent;
    const length = end - start;
    const space = inline ? this.#spaces.meta : this.#spaces.image;
    if (physical + storedBytes > space.sizeBytes) {
      const state = `${storedBytes} bytes at ${physical} lie behind the image's end`;
      throw damaged(this.#action, state);
    }
    if (storedBytes > MAX_STORED_BYTES) {
      throw damaged(this.#action, `a cluster takes ${storedBytes} bytes`);
    }
    const plain = format === FORMAT.SHIFTED || format === FORMAT.INTERLACED;
    const most = plain ? storedBytes : MAX_DECODED_BYTES;
    if (length > most) {
      throw damaged(this.#action, `a cluster of ${storedBytes} bytes stands for ${length}`);
    }
    return extent;
  }
}
