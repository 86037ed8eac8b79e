/**
 * A FAT volume as its files. FAT has no inodes: a file is its directory record, and the record's offset in
 * the image is its number.
 */
import { ExtentMap, ExtentReader } from "../../images/extent_reader.ts";
import { PageCache } from "../../sources/page_cache.ts";
import type { Reader } from "../../sources/reader.ts";
import { damaged } from "../damaged.ts";
import type { DirectoryNames, ImageVolume } from "../image_tree.ts";
import type { FatGeometry } from "./boot_sector.ts";
import { ClusterChains } from "./cluster_chains.ts";
import { foldName, parseDirectory } from "./directory.ts";
import { type FatInode, parseRecord, RECORD_BYTES, rootInode } from "./record.ts";

const META_PAGE_BYTES = 32 << 10;
const META_CACHE_BYTES = 8 << 20;
/** FAT_MAX_DIR_SIZE of Linux fs/fat/fat.h: 65536 records. */
const DIRECTORY_BYTES = 2 << 20;
/** Extents of opened files kept, 20 bytes each; a file with more is kept alone. */
const CACHED_EXTENTS = 256 * 1024;
const ROOT_REF = 0;
const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

/** The files of a FAT volume. It owns its reader. */
export class FatVolume implements ImageVolume<FatInode> {
  readonly identity: string;
  readonly rootRef = ROOT_REF;
  readonly #geometry: FatGeometry;
  readonly #image: Reader;
  /** The image by pages, for tables and directories. */
  readonly #meta: PageCache;
  readonly #chains: ClusterChains;
  /** Folded names beside the stored ones, gone when the tree forgets those. */
  readonly #folded = new WeakMap<DirectoryNames, ReadonlyMap<string, number>>();
  /** Extents of opened files by ref, oldest first. */
  readonly #extents = new Map<number, ExtentMap>();
  #cachedExtents = 0;

  constructor(reader: Reader, geometry: FatGeometry) {
    this.identity = reader.identity;
    this.#geometry = geometry;
    this.#image = reader;
    this.#meta = new PageCache(reader, {
      pageSizeBytes: META_PAGE_BYTES,
      capacityBytes: META_CACHE_BYTES,
      readAheadBytes: 0,
    });
    this.#chains = new ClusterChains(this.#meta, geometry);
  }

  async inode(ref: number): Promise<FatInode> {
    if (ref === ROOT_REF) return rootInode(this.#geometry.rootCluster);
    const record = new Uint8Array(RECORD_BYTES);
    await this.#meta.readAt(ref, record);
    return parseRecord(ref, record, this.#geometry.bits === 32);
  }

  async names(directory: FatInode): Promise<DirectoryNames> {
    const action = `Read the directory at byte ${directory.ref} of ${this.identity}`;
    const map = await this.#directoryExtents(action, directory);
    const bytes = new Uint8Array(map.sizeBytes);
    await new ExtentReader(action, this.#meta, map, false).readAt(0, bytes);
    const { names, folded } = parseDirectory(action, bytes, (offset) => {
      const { startBytes, origin } = map.extent(map.indexOf(offset));
      return origin! + offset - startBytes;
    });
    this.#folded.set(names, folded);
    return names;
  }

  find(names: DirectoryNames, name: string): number | undefined {
    return names.get(name) ?? this.#folded.get(names)?.get(foldName(name));
  }

  linkTarget(): Promise<string> {
    return Promise.reject(damaged(`Read a link of ${this.identity}`, "FAT has none"));
  }

  xattrs(): ReadonlyMap<string, Uint8Array> {
    return NO_XATTRS;
  }

  async open(file: FatInode): Promise<Reader> {
    const identity = `${this.identity}#fat-record=${file.ref}`;
    return new ExtentReader(identity, this.#image, await this.#fileExtents(identity, file), false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#extents.clear();
    await this.#meta[Symbol.asyncDispose]();
  }

  async #directoryExtents(action: string, { ref, firstCluster }: FatInode): Promise<ExtentMap> {
    const { bits, rootOffset, rootBytes, clusterBytes } = this.#geometry;
    if (ref === ROOT_REF && bits !== 32) {
      const map = new ExtentMap();
      map.addData(rootBytes, rootOffset);
      return map;
    }
    const atMost = DIRECTORY_BYTES / clusterBytes;
    return await this.#chains.extents(action, firstCluster, { atMost });
  }

  /** Where a file lies: followed once, as long as it is kept. */
  async #fileExtents(identity: string, file: FatInode): Promise<ExtentMap> {
    const { ref, sizeBytes, firstCluster } = file;
    const cached = this.#extents.get(ref);
    if (cached !== undefined) {
      this.#extents.delete(ref);
      this.#extents.set(ref, cached);
      return cached;
    }
    const exactly = Math.ceil(sizeBytes / this.#geometry.clusterBytes);
    const whole = await this.#chains.extents(`Read ${identity}`, firstCluster, { exactly });
    const map = new ExtentMap();
    for (let i = 0; i < whole.count; i++) {
      const { startBytes, endBytes, origin } = whole.extent(i);
      map.addData(Math.min(endBytes, sizeBytes) - startBytes, origin!);
    }
    if (this.#extents.has(ref)) return map;
    this.#extents.set(ref, map);
    this.#cachedExtents += map.count;
    for (const [oldest, { count }] of this.#extents) {
      if (this.#cachedExtents <= CACHED_EXTENTS || oldest === ref) break;
      this.#extents.delete(oldest);
      this.#cachedExtents -= count;
    }
    return map;
  }
}
