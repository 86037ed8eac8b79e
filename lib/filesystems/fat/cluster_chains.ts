/**
 * The file allocation table: which cluster follows which.
 *
 * An entry of 12, 16 or 28 bits is the next cluster, or from ...F8 on the end; 0 is free, ...F7 is bad.
 * Chains are followed in windows of the table, so that one read serves thousands of steps, and a chain that
 * jumps about does not read them again.
 */
import { FastboopError } from "../../errors/errors.ts";
import { ExtentMap } from "../../images/extent_reader.ts";
import type { Reader } from "../../sources/reader.ts";
import { damaged } from "../damaged.ts";
import type { FatGeometry } from "./boot_sector.ts";

const FIRST_CLUSTER = 2;
/** Bytes of the table read at a time; a FAT12 is smaller than that. */
const WINDOW_BYTES = 16 << 10;
/** Windows kept while one chain is followed, 8 MiB. */
const WINDOWS = 512;
/** Pieces one file may lie in: 20 MB of map. */
const EXTENT_LIMIT = 1 << 20;

/** How long a chain has to be. */
export interface ChainLength {
  /** Clusters of a file, neither more nor fewer; more may be allocated. */
  readonly exactly?: number;
  /** Bound of a chain that ends where it ends, as a directory's does. */
  readonly atMost?: number;
}

/** Chains of one volume. */
export class ClusterChains {
  readonly #reader: Reader;
  readonly #geometry: FatGeometry;
  readonly #windowEntries: number;

  constructor(reader: Reader, geometry: FatGeometry) {
    this.#reader = reader;
    this.#geometry = geometry;
    this.#windowEntries = Math.floor(WINDOW_BYTES * 8 / geometry.bits);
  }

  /**
   * The extents of the chain that begins at `first`, in bytes of the image.
   *
   * @throws {FastboopError} `corrupt` when it leaves the volume, ends early or meets itself; `limit` when
   * it is longer than allowed or lies in too many pieces.
   */
  async extents(action: string, first: number, length: ChainLength): Promise<ExtentMap> {
    const { clusterBytes, endCluster, dataOffset } = this.#geometry;
    const most = Math.min(length.exactly ?? length.atMost!, endCluster - FIRST_CLUSTER);
    const map = new ExtentMap();
    const windows = new Map<number, DataView>();
    let count = 0;
    for (let cluster = first; count !== length.exactly;) {
      if (cluster < FIRST_CLUSTER || cluster >= endCluster) {
        const state = this.#isEnd(cluster)
          ? `its chain of clusters ends after ${count}`
          : `its chain of clusters leads to ${cluster}, the last one is ${endCluster - 1}`;
        throw damaged(action, state);
      }
      if (count === most) {
        refuseLoop(action, map);
        if (most < (length.exactly ?? 0)) throw damaged(action, "it is larger than the volume");
        const state = `it has more than ${most} clusters`;
        throw new FastboopError({ kind: "limit", action, state });
      }
      map.addData(clusterBytes, dataOffset + (cluster - FIRST_CLUSTER) * clusterBytes);
      count++;
      if (map.count > EXTENT_LIMIT) {
        refuseLoop(action, map);
        const state = `it lies in more than ${EXTENT_LIMIT} pieces`;
        throw new FastboopError({ kind: "limit", action, state });
      }
      if (count === length.exactly) break;
      const number = Math.floor(cluster / this.#windowEntries);
      let window = windows.get(number);
      if (window === undefined) {
        window = await this.#window(number);
        if (windows.size === WINDOWS) windows.clear();
        windows.set(number, window);
      }
      cluster = this.#next(window, cluster % this.#windowEntries);
      if (length.exactly === undefined && this.#isEnd(cluster)) break;
    }
    refuseLoop(action, map);
    return map;
  }

  #isEnd(entry: number): boolean {
    const { bits } = this.#geometry;
    return entry >= (bits === 12 ? 0xff8 : bits === 16 ? 0xfff8 : 0x0ffffff8);
  }

  /** The entry at an index of a window. */
  #next(window: DataView, index: number): number {
    const { bits } = this.#geometry;
    if (bits === 32) return window.getUint32(index * 4, true) & 0x0fffffff;
    if (bits === 16) return window.getUint16(index * 2, true);
    const pair = window.getUint16(index + (index >>> 1), true);
    return index % 2 === 0 ? pair & 0xfff : pair >>> 4;
  }

  /** One window of the table, the last one as short as it is. */
  async #window(number: number): Promise<DataView> {
    const { bits, fatOffset, endCluster } = this.#geometry;
    const tableBytes = Math.ceil(endCluster * bits / 8);
    const start = number * WINDOW_BYTES;
    const bytes = new Uint8Array(Math.min(WINDOW_BYTES, tableBytes - start));
    await this.#reader.readAt(fatOffset + start, bytes);
    return new DataView(bytes.buffer);
  }
}

/**
 * Two extents with a cluster in both are a chain that met itself. Extents lie apart exactly when, all
 * starts and all ends being sorted, each end comes before the next start.
 */
function refuseLoop(action: string, map: ExtentMap): void {
  const starts = new Float64Array(map.count);
  const ends = new Float64Array(map.count);
  for (let i = 0; i < map.count; i++) {
    const { startBytes, endBytes, origin } = map.extent(i);
    starts[i] = origin!;
    ends[i] = origin! + endBytes - startBytes;
  }
  starts.sort();
  ends.sort();
  for (let i = 1; i < map.count; i++) {
    if (ends[i - 1]! > starts[i]!) throw damaged(action, "its chain of clusters is a loop");
  }
}
