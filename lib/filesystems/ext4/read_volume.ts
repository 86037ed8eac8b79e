/** An ext2, ext3 or ext4 image as its inodes. */
import { concat } from "../../bytes/concat.ts";
import { FastboopError } from "../../errors/errors.ts";
import type { Reader } from "../../sources/reader.ts";
import { damaged } from "../damaged.ts";
import { decodeText } from "../decode_name.ts";
import type { ImageVolume } from "../image_tree.ts";
import { PATH_LIMIT_BYTES } from "../limits.ts";
import { INCOMPAT, INODE_FLAG, INODE_PAYLOAD_BYTES, ROOT_INODE } from "./format.ts";
import { BlockData, InlineData } from "./read_data.ts";
import { parseEntries, verifyDirectoryBlock } from "./read_directory.ts";
import { type ReadInode, readInode } from "./read_inode.ts";
import type { Ext4Space } from "./read_space.ts";
import { hasXattrs, INLINE_DATA_NAME, readXattrs } from "./read_xattrs.ts";

/** Largest directory that is read. */
const MAX_DIRECTORY_BYTES = 32 << 20;
/** Inline data starts with the parent's inode, behind it and in `system.data` come entries. */
const INLINE_PARENT_BYTES = 4;

const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

/** The inodes of an ext4 image. It owns its space. */
export class Ext4Volume implements ImageVolume<ReadInode> {
  readonly identity: string;
  readonly rootRef = ROOT_INODE;
  readonly #space: Ext4Space;

  constructor(space: Ext4Space) {
    this.#space = space;
    this.identity = space.identity;
  }

  inode(ref: number): ReadInode | Promise<ReadInode> {
    return readInode(this.#space, ref);
  }

  async names(directory: ReadInode): Promise<Map<string, number>> {
    const action = `Read directory ${directory.ref} of ${this.identity}`;
    refuseEncrypted(action, directory);
    const names = new Map<string, number>();
    if (directory.flags & INODE_FLAG.INLINE_DATA) {
      const [first, rest] = await this.#inlineParts(action, directory);
      parseEntries(action, first.subarray(INLINE_PARENT_BYTES), names);
      parseEntries(action, rest, names);
      return names;
    }
    const { sizeBytes } = directory;
    const { blockBytes } = this.#space.superblock;
    if (sizeBytes > MAX_DIRECTORY_BYTES) {
      const state = `it has ${sizeBytes} bytes, more than ${MAX_DIRECTORY_BYTES}`;
      throw new FastboopError({ kind: "limit", action, state });
    }
    if (sizeBytes % blockBytes !== 0) throw damaged(action, `it has ${sizeBytes} bytes`);
    const data = new BlockData(this.#space, directory);
    const block = new Uint8Array(blockBytes);
    for (let at = 0; at < sizeBytes; at += blockBytes) {
      await data.readAt(at, block);
      verifyDirectoryBlock(action, directory, block, at / blockBytes);
      parseEntries(action, block, names);
    }
    return names;
  }

  async linkTarget(link: ReadInode): Promise<string> {
    const action = `Read link ${link.ref} of ${this.identity}`;
    refuseEncrypted(action, link);
    if (link.sizeBytes === 0 || link.sizeBytes > PATH_LIMIT_BYTES) {
      throw damaged(action, `its target has ${link.sizeBytes} bytes`);
    }
    let bytes = link.payload.subarray(0, link.sizeBytes);
    if (!this.#isFastLink(link)) {
      bytes = new Uint8Array(link.sizeBytes);
      const reader = await this.open(link);
      await reader.readAt(0, bytes);
    }
    if (bytes.includes(0)) throw damaged(action, "its target contains a NUL");
    return decodeText(action, "its target", bytes);
  }

  xattrs(
    inode: ReadInode,
  ): ReadonlyMap<string, Uint8Array> | Promise<ReadonlyMap<string, Uint8Array>> {
    return hasXattrs(inode) ? this.#shownXattrs(inode) : NO_XATTRS;
  }

  async #shownXattrs(inode: ReadInode): Promise<ReadonlyMap<string, Uint8Array>> {
    const xattrs = await this.#allXattrs(inode);
    xattrs.delete(INLINE_DATA_NAME);
    return xattrs;
  }

  async open(file: ReadInode): Promise<Reader> {
    const action = `Open inode ${file.ref} of ${this.identity}`;
    refuseEncrypted(action, file);
    if (!(file.flags & INODE_FLAG.INLINE_DATA)) return new BlockData(this.#space, file);
    const stored = concat(await this.#inlineParts(action, file));
    return new InlineData(`${this.identity}#ext4-inode=${file.ref}`, stored, file.sizeBytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#space[Symbol.asyncDispose]();
  }

  /** What i_block and `system.data` hold of inline data. */
  async #inlineParts(action: string, inode: ReadInode): Promise<[Uint8Array, Uint8Array]> {
    if (!(this.#space.superblock.incompat & INCOMPAT.INLINE_DATA)) {
      throw damaged(action, "its data is inline, which the image does not have");
    }
    const rest = (await this.#allXattrs(inode)).get(INLINE_DATA_NAME) ?? new Uint8Array(0);
    return [inode.payload, rest];
  }

  #allXattrs(inode: ReadInode): Promise<Map<string, Uint8Array>> {
    return readXattrs(this.#space, inode, async (number, sizeBytes) => {
      const action = `Read the attributes of ext4 inode ${inode.ref}`;
      const value = await readInode(this.#space, number);
      if (value.kind !== "file" || !(value.flags & INODE_FLAG.EA_INODE)) {
        throw damaged(action, `inode ${number} is not a value`);
      }
      if (value.sizeBytes !== sizeBytes || value.flags & INODE_FLAG.INLINE_DATA) {
        throw damaged(action, `the value in inode ${number} has ${value.sizeBytes} bytes`);
      }
      const bytes = new Uint8Array(sizeBytes);
      await new BlockData(this.#space, value).readAt(0, bytes);
      return bytes;
    });
  }

  /**
   * Whether the target is in the inode: nothing but an attribute block is allocated. With ea_inode values
   * in inodes of their own count as well, and the length alone decides (fs/ext4/inode.c).
   */
  #isFastLink({ flags, sizeBytes, allocated, xattrBlock }: ReadInode): boolean {
    if (flags & (INODE_FLAG.EXTENTS | INODE_FLAG.INLINE_DATA)) return false;
    if (sizeBytes >= INODE_PAYLOAD_BYTES) return false;
    const { incompat, clusterBytes } = this.#space.superblock;
    if (incompat & INCOMPAT.EA_INODE) return true;
    return allocated <= (xattrBlock === 0 ? 0 : clusterBytes / 512);
  }
}

function refuseEncrypted(action: string, inode: ReadInode): void {
  if (!(inode.flags & INODE_FLAG.ENCRYPTED)) return;
  const state = "it is encrypted";
  throw new FastboopError({ kind: "unsupported", action, state, hint: "Decrypt it" });
}
