/**
 * An EROFS image as its inodes: where each lies, and which reader its data layout needs.
 *
 * Three spaces hold bytes: the image, the metabox (a file with inodes of its own) and the packed file
 * (with tails of others). The metabox may use neither itself nor the packed file, the packed file not
 * itself, so that no read can go round in a circle.
 */
import { alignUp } from "../../bytes/align.ts";
import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import { type Answer, then } from "../answer.ts";
import { damaged } from "../damaged.ts";
import { decodeText } from "../decode_name.ts";
import { ImagePages } from "../image_pages.ts";
import type { DirectoryNames, ImageVolume } from "../image_tree.ts";
import { ChunkedData } from "./chunked_data.ts";
import { type ClusterSpaces, CompressedData } from "./compressed_data.ts";
import { DecodedClusters } from "./decoded_clusters.ts";
import { Dirents } from "./dirents.ts";
import type { ExtentMap } from "./extent_map.ts";
import { FlatData } from "./flat_data.ts";
import {
  COMPACT_INODE_BYTES,
  COMPAT,
  EXTENDED_INODE_BYTES,
  INCOMPAT,
  INODE_SLOT_BYTES,
  LAYOUT,
  MAX_DIRECTORY_BYTES,
  NULL_BLOCK,
} from "./format.ts";
import { type ErofsInode, inodeHeadBytes, parseInode } from "./inode.ts";
import { readExtentMap } from "./read_extent_map.ts";
import type { Superblock } from "./superblock.ts";
import { readLongPrefixes, type ReadSpace, readXattrs, type SharedXattrs } from "./xattrs.ts";

/** Decoded clusters kept for reads smaller than a cluster. */
const CLUSTER_CACHE_BYTES = 32 << 20;
const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

/** The inodes of an EROFS image. It owns its reader. */
export class ErofsVolume implements ImageVolume<ErofsInode> {
  readonly identity: string;
  readonly rootRef: number;
  readonly #superblock: Superblock;
  readonly #image: ImagePages;
  readonly #clusters: DecodedClusters;
  #metabox: Promise<Reader> | undefined;
  #packed: Promise<Reader> | undefined;
  #shared: Promise<SharedXattrs> | undefined;
  readonly #packedOfAll = () => this.#packedFile();

  constructor(reader: Reader, superblock: Superblock) {
    this.identity = reader.identity;
    this.rootRef = superblock.rootRef;
    this.#superblock = superblock;
    this.#image = new ImagePages(reader);
    this.#clusters = new DecodedClusters(CLUSTER_CACHE_BYTES);
  }

  inode(ref: number): ErofsInode | Promise<ErofsInode> {
    const boxed = ref % 2 === 1;
    const offset = Math.floor(ref / 2) * INODE_SLOT_BYTES +
      (boxed ? 0 : this.#superblock.metaOffset);
    // One whose length is not known yet is taken for a long one; the last of an image may be short.
    const held = boxed ? undefined : this.#image.held(offset, EXTENDED_INODE_BYTES);
    if (held === undefined) return this.#readInode(ref, offset);
    return parseInode(this.#superblock, { ref, offset }, held.view, offset - held.offsetBytes);
  }

  async #readInode(ref: number, offset: number): Promise<ErofsInode> {
    const space = await this.#space(ref % 2 === 1);
    const action = `Read EROFS inode ${Math.floor(ref / 2)}`;
    const read = readerOf(action, space);
    const bytes = new Uint8Array(EXTENDED_INODE_BYTES);
    await read(offset, bytes.subarray(0, COMPACT_INODE_BYTES));
    const headBytes = inodeHeadBytes(bytes[0]!);
    await read(offset + COMPACT_INODE_BYTES, bytes.subarray(COMPACT_INODE_BYTES, headBytes));
    return parseInode(this.#superblock, { ref, offset }, new DataView(bytes.buffer), 0);
  }

  async names(directory: ErofsInode): Promise<DirectoryNames> {
    const action = `Read directory ${Math.floor(directory.ref / 2)} of ${this.identity}`;
    const bytes = await this.#readAll(action, directory, MAX_DIRECTORY_BYTES);
    const names = new Dirents(action);
    for (let at = 0; at < bytes.length; at += this.#superblock.blockBytes) {
      names.addBlock(bytes.subarray(at, at + this.#superblock.blockBytes));
    }
    return names.finish();
  }

  async linkTarget(link: ErofsInode): Promise<string> {
    const action = `Read link ${Math.floor(link.ref / 2)} of ${this.identity}`;
    const bytes = await this.#readAll(action, link, link.sizeBytes);
    if (bytes.includes(0)) throw damaged(action, "its target contains a NUL");
    return decodeText(action, "its target", bytes);
  }

  xattrs(
    inode: ErofsInode,
  ): ReadonlyMap<string, Uint8Array> | Promise<ReadonlyMap<string, Uint8Array>> {
    return inode.xattrBytes === 0 ? NO_XATTRS : this.#readXattrs(inode);
  }

  async #readXattrs(inode: ErofsInode): Promise<ReadonlyMap<string, Uint8Array>> {
    const action = `Read the attributes of EROFS inode ${Math.floor(inode.ref / 2)}`;
    const body = new Uint8Array(inode.xattrBytes);
    await readerOf(action, await this.#space(inode.boxed))(inode.offset + inode.headBytes, body);
    this.#shared ??= this.#readShared().catch((error) => {
      // A source that failed once may answer the next time.
      this.#shared = undefined;
      throw error;
    });
    return await readXattrs(action, body, await this.#shared);
  }

  open(inode: ErofsInode): Answer<Reader> {
    const meta = inode.boxed ? this.#space(true) : this.#image;
    return then(meta, (meta: Reader) => this.#data(inode, meta, this.#packedOfAll));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#clusters.clear();
    await this.#image[Symbol.asyncDispose]();
  }

  #data(inode: ErofsInode, meta: Reader, packed: ClusterSpaces["packed"]): Answer<Reader> {
    const name = () => `${this.identity}#erofs-inode=${inode.ref}`;
    const { blockBytes, incompat } = this.#superblock;
    const image = this.#image;
    if (inode.sizeBytes === 0) return new FlatData(name, []);
    if (inode.layout === LAYOUT.CHUNKED) {
      return new ChunkedData(name, { image, meta }, this.#superblock, inode);
    }
    if (inode.layout === LAYOUT.FLAT_PLAIN || inode.layout === LAYOUT.FLAT_INLINE) {
      return this.#flat(name, inode, meta);
    }
    const spaces: ClusterSpaces = {
      image,
      meta,
      packed,
      clusters: this.#clusters,
      blockBytes,
      paddedInFront: (incompat & INCOMPAT.ZERO_PADDING) !== 0,
    };
    const map = readExtentMap(this.#superblock, inode, meta);
    return then(map, (map: ExtentMap) => new CompressedData(name, map, spaces));
  }

  #flat(name: () => string, inode: ErofsInode, meta: Reader): Reader {
    const { blockBytes } = this.#superblock;
    const { sizeBytes } = inode;
    const inlined = inode.layout === LAYOUT.FLAT_INLINE;
    if (!inlined && inode.startBlock === NULL_BLOCK) {
      return new FlatData(name, [{ space: undefined, offset: 0, lengthBytes: sizeBytes }]);
    }
    // The tail may be empty: then all blocks are whole.
    const tailBytes = inlined ? sizeBytes % blockBytes : 0;
    const blocks = {
      space: this.#image,
      offset: inode.startBlock * blockBytes,
      lengthBytes: sizeBytes - tailBytes,
    };
    const tail = {
      space: meta,
      offset: inode.offset + inode.headBytes + inode.xattrBytes,
      lengthBytes: tailBytes,
    };
    const pieces = [blocks, tail].filter(({ lengthBytes }) => lengthBytes > 0);
    for (const { space, offset, lengthBytes } of pieces) {
      if (lengthBytes > space.sizeBytes - offset) {
        throw damaged(`Read ${name()}`, `${lengthBytes} bytes at ${offset} lie behind the end`);
      }
    }
    return new FlatData(name, pieces);
  }

  async #readAll(action: string, inode: ErofsInode, mostBytes: number): Promise<Uint8Array> {
    if (inode.sizeBytes > mostBytes) {
      const state = `it has ${inode.sizeBytes} bytes, more than ${mostBytes}`;
      throw new FastboopError({ kind: "limit", action, state });
    }
    const reader = await this.open(inode);
    const bytes = new Uint8Array(inode.sizeBytes);
    await reader.readAt(0, bytes);
    return bytes;
  }

  async #space(boxed: boolean): Promise<Reader> {
    if (!boxed) return this.#image;
    this.#metabox ??= this.#openMetabox().catch((error) => {
      // A source that failed once may answer the next time.
      this.#metabox = undefined;
      throw error;
    });
    return await this.#metabox;
  }

  async #openMetabox(): Promise<Reader> {
    const { metaboxRef } = this.#superblock;
    const action = `Open the metabox of ${this.identity}`;
    if (metaboxRef === undefined) throw damaged(action, "a node needs it, but there is none");
    const none = () => Promise.reject(damaged(action, "it keeps a part in the packed file"));
    return await this.#data(await this.inode(metaboxRef), this.#image, none);
  }

  async #packedFile(): Promise<Reader> {
    this.#packed ??= this.#openPacked().catch((error) => {
      // A source that failed once may answer the next time.
      this.#packed = undefined;
      throw error;
    });
    return await this.#packed;
  }

  async #openPacked(): Promise<Reader> {
    const { packedRef } = this.#superblock;
    const action = `Open the packed file of ${this.identity}`;
    if (packedRef === undefined) throw damaged(action, "a file needs it, but there is none");
    const none = () => Promise.reject(damaged(action, "it keeps a part in itself"));
    const inode = await this.inode(packedRef);
    return await this.#data(inode, await this.#space(inode.boxed), none);
  }

  /** The shared area and the long prefixes, each in the space the superblock's flags name. */
  async #readShared(): Promise<SharedXattrs> {
    const { compat, metaboxRef, packedRef, prefixCount, prefixOffset } = this.#superblock;
    const action = `Read the shared attributes of ${this.identity}`;
    const sharedBoxed = (compat & COMPAT.SHARED_XATTRS_IN_METABOX) !== 0;
    const offset = sharedBoxed ? 0 : this.#superblock.xattrOffset;
    const read: ReadSpace = readerOf(action, await this.#space(sharedBoxed));
    if (prefixCount === 0) return { offset, read, longPrefixes: [] };
    const plain = (compat & COMPAT.PLAIN_XATTR_PREFIXES) !== 0;
    const space = plain || (metaboxRef === undefined && packedRef === undefined)
      ? this.#image
      : metaboxRef !== undefined
      ? await this.#space(true)
      : await this.#packedFile();
    const longPrefixes = await readLongPrefixes(
      action,
      readerOf(action, space),
      alignUp(prefixOffset, 4),
      prefixCount,
    );
    return { offset, read, longPrefixes };
  }
}

/** Reads of a space whose addresses come from the image: outside it is damage, not a caller's mistake. */
function readerOf(action: string, space: Reader): ReadSpace {
  return async (offsetBytes, into) => {
    if (into.length > space.sizeBytes - offsetBytes) {
      throw damaged(action, `${into.length} bytes at ${offsetBytes} lie behind the end`);
    }
    await space.readAt(offsetBytes, into);
  };
}
