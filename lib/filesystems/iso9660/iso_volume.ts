/**
 * An ISO 9660 image as inodes. An inode is named by where its record lies in the image.
 *
 * Every directory belongs to one record: one that a second record names again is refused, so no path goes
 * round in a circle. Inodes stay in memory once their directory was listed, since a record cannot be
 * understood without its directory.
 */
import { FastboopError } from "../../errors/errors.ts";
import { ExtentMap, ExtentReader } from "../../images/extent_reader.ts";
import type { Reader } from "../../sources/reader.ts";
import type { Answer } from "../answer.ts";
import { damaged } from "../damaged.ts";
import { decodeName, decodeText } from "../decode_name.ts";
import { addName, type ImageInode, type ImageVolume } from "../image_tree.ts";
import { inodeKind } from "../inode_kind.ts";
import { PATH_LIMIT_BYTES } from "../limits.ts";
import { type DirectoryRecord, isDot, parseRecord } from "./directory_record.ts";
import { readRockRidge, type RockRidge, suspSkip } from "./rock_ridge.ts";
import { plainName } from "./plain_name.ts";
import { type IsoVolumeDescriptor, SECTOR_BYTES } from "./volume_descriptor.ts";

const DIRECTORY_BYTES = 32 << 20;
/** One inode takes about 500 bytes of memory. */
const MOST_INODES = 500_000;
/** Extents of one file: of 4 GiB each they fill the largest volume. */
const MOST_EXTENTS = 2048;
const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

interface Extent {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export interface IsoInode extends ImageInode {
  readonly extents: readonly Extent[];
  readonly linkTarget: string | undefined;
  /** Why its data cannot be read. */
  readonly refusal: string | undefined;
}

/** Records of one file: more than one when it has several extents. */
interface Found {
  readonly offset: number;
  readonly records: DirectoryRecord[];
}

export class IsoVolume implements ImageVolume<IsoInode> {
  readonly identity: string;
  readonly rootRef: number;
  readonly #reader: Reader;
  readonly #descriptor: IsoVolumeDescriptor;
  /** Bytes before the fields of a System Use area; undefined without Rock Ridge. */
  readonly #skip: number | undefined;
  readonly #inodes = new Map<number, IsoInode>();
  /** The inode that owns a directory, by the directory's first byte. */
  readonly #owners = new Map<number, number>();
  /** The first inode of a serial number: its hard links are that inode. */
  readonly #serials = new Map<number, IsoInode>();

  /** `skip` is what `rockRidgeSkip` gave. */
  constructor(reader: Reader, descriptor: IsoVolumeDescriptor, skip: number | undefined) {
    this.identity = reader.identity;
    this.rootRef = descriptor.rootRecordOffset;
    this.#reader = reader;
    this.#descriptor = descriptor;
    this.#skip = skip;
  }

  inode(ref: number): Answer<IsoInode> {
    // Every one but the root was met in its directory.
    return this.#inodes.get(ref) ?? this.#root(ref);
  }

  async #root(ref: number): Promise<IsoInode> {
    const action = `Read the root of ${this.identity}`;
    const record = parseRecord(action, this.#descriptor.rootRecord);
    const found = { offset: ref, records: [record] };
    return await this.#add(action, found, await this.#attributesOf(action, record.block));
  }

  async names(directory: IsoInode): Promise<Map<string, number>> {
    const action = `Read directory ${directory.ref} of ${this.identity}`;
    const { offsetBytes, sizeBytes } = directory.extents[0]!;
    const names = new Map<string, number>();
    const bytes = new Uint8Array(sizeBytes);
    await this.#reader.readAt(offsetBytes, bytes);
    for (const found of this.#records(action, offsetBytes, bytes)) {
      const [first] = found.records;
      const rock = await this.#rockRidge(action, first!);
      if (rock?.isMoved) continue;
      const name = this.#nameOf(action, first!, rock);
      const inode = this.#inodes.get(found.offset) ?? await this.#add(action, found, rock);
      addName(action, names, name, inode.ref);
    }
    return names;
  }

  linkTarget(link: IsoInode): Promise<string> {
    return Promise.resolve(link.linkTarget!);
  }

  xattrs(): ReadonlyMap<string, Uint8Array> {
    return NO_XATTRS;
  }

  open(file: IsoInode): Reader {
    const identity = `${this.identity}#iso9660-record=${file.ref}`;
    if (file.refusal !== undefined) {
      const parts = { action: `Open ${identity}`, state: file.refusal };
      throw new FastboopError({ kind: "unsupported", ...parts });
    }
    const map = new ExtentMap();
    for (const { offsetBytes, sizeBytes } of file.extents) map.addData(sizeBytes, offsetBytes);
    return new ExtentReader(identity, this.#reader, map, false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#inodes.clear();
    await this.#reader[Symbol.asyncDispose]();
  }

  /** The records of a directory but its own and its parent's, those of one file together. */
  *#records(action: string, offsetBytes: number, bytes: Uint8Array): Iterable<Found> {
    let open: Found | undefined;
    for (let at = 0; at < bytes.length;) {
      const sectorEnd = Math.min(at - at % SECTOR_BYTES + SECTOR_BYTES, bytes.length);
      if (bytes[at] === 0) {
        at = sectorEnd;
        continue;
      }
      const record = parseRecord(action, bytes.subarray(at, sectorEnd));
      const skipped = isDot(record, 0) || isDot(record, 1) || record.isAssociated;
      if (open !== undefined) {
        if (!sameName(open.records[0]!, record)) {
          throw damaged(action, "a file of several extents breaks off");
        }
        if (open.records.push(record) > MOST_EXTENTS) {
          const state = `a file has more than ${MOST_EXTENTS} extents`;
          throw new FastboopError({ kind: "limit", action, state });
        }
      } else if (!skipped) open = { offset: offsetBytes + at, records: [record] };
      at += record.lengthBytes;
      if (record.hasMore || open === undefined) continue;
      yield open;
      open = undefined;
    }
    if (open !== undefined) throw damaged(action, "a file of several extents breaks off");
  }

  async #rockRidge(action: string, record: DirectoryRecord): Promise<RockRidge | undefined> {
    if (this.#skip === undefined) return undefined;
    const fields = record.systemUse.subarray(this.#skip);
    return await readRockRidge(action, this.#reader, this.#descriptor.blockBytes, fields);
  }

  /** What the directory at `block` says of itself, in its first record. */
  async #attributesOf(action: string, block: number): Promise<RockRidge | undefined> {
    if (this.#skip === undefined) return undefined;
    const dot = await this.#dotOf(action, block);
    // The root's own has the field that tells of Rock Ridge itself before the others.
    const start = suspSkip(dot.systemUse) === undefined ? this.#skip : 0;
    const fields = dot.systemUse.subarray(start);
    return await readRockRidge(action, this.#reader, this.#descriptor.blockBytes, fields);
  }

  async #dotOf(action: string, block: number): Promise<DirectoryRecord> {
    const offset = block * this.#descriptor.blockBytes;
    const bytes = new Uint8Array(SECTOR_BYTES);
    if (offset + bytes.length > this.#reader.sizeBytes) {
      throw damaged(action, `a directory at block ${block} lies behind the end`);
    }
    await this.#reader.readAt(offset, bytes);
    return parseRecord(action, bytes);
  }

  #nameOf(action: string, record: DirectoryRecord, rock: RockRidge | undefined): string {
    if (rock?.name !== undefined) return decodeName(action, Uint8Array.from(rock.name));
    const text = plainName(record.name, this.#descriptor.isJoliet);
    return decodeName(action, new TextEncoder().encode(text));
  }

  async #add(action: string, found: Found, rock: RockRidge | undefined): Promise<IsoInode> {
    if (this.#inodes.size >= MOST_INODES) {
      const state = `it has more than ${MOST_INODES} files`;
      throw new FastboopError({ kind: "limit", action, state });
    }
    let { records } = found;
    let attributes = rock ?? {};
    let refusal = refusalOf(records, attributes);
    if (attributes.childBlock !== undefined) {
      const dot = await this.#dotOf(action, attributes.childBlock);
      attributes = await this.#attributesOf(action, attributes.childBlock) ?? {};
      records = [dot];
      refusal = undefined;
    }
    const inode = this.#inodeOf(action, found.offset, records, attributes, refusal);
    const { serial } = attributes;
    if (inode.kind !== "directory" && inode.linkCount > 1 && serial !== undefined) {
      const first = this.#serials.get(serial);
      // Only what is one file in every way; serial numbers come from outside as well.
      if (first !== undefined && sameFile(first, inode)) return first;
      this.#serials.set(serial, inode);
    }
    this.#inodes.set(inode.ref, inode);
    return inode;
  }

  #inodeOf(
    action: string,
    ref: number,
    records: readonly DirectoryRecord[],
    rock: RockRidge,
    refusal: string | undefined,
  ): IsoInode {
    const [first] = records;
    const { isDirectory, mtimeSeconds } = first!;
    const kind = rock.mode === undefined
      ? isDirectory ? "directory" : "file"
      : inodeKind(rock.mode & 0xf000);
    if (kind === undefined || (kind === "directory") !== isDirectory) {
      throw damaged(
        action,
        `a record says another kind of file than mode 0${rock.mode?.toString(8)}`,
      );
    }
    const extents = kind === "file" || isDirectory ? this.#extents(action, records) : [];
    if (isDirectory) this.#claim(action, ref, extents);
    const linkTarget = kind === "symlink" ? targetOf(action, rock) : undefined;
    return {
      ref,
      kind,
      mode: rock.mode === undefined ? (isDirectory ? 0o555 : 0o444) : rock.mode & 0o7777,
      uid: rock.uid ?? 0,
      gid: rock.gid ?? 0,
      linkCount: rock.linkCount ?? 1,
      mtimeSeconds: rock.mtime?.seconds ?? mtimeSeconds,
      mtimeNanoseconds: rock.mtime?.nanoseconds ?? 0,
      sizeBytes: linkTarget === undefined
        ? extents.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
        : new TextEncoder().encode(linkTarget).length,
      extents,
      linkTarget,
      refusal,
      ...(kind.endsWith("-device") ? deviceOf(rock) : {}),
    };
  }

  #extents(action: string, records: readonly DirectoryRecord[]): Extent[] {
    const { blockBytes } = this.#descriptor;
    return records.map(({ block, sizeBytes }) => {
      const offsetBytes = block * blockBytes;
      if (sizeBytes > 0 && offsetBytes + sizeBytes > this.#reader.sizeBytes) {
        throw damaged(action, `${sizeBytes} bytes at block ${block} lie behind the end`);
      }
      return { offsetBytes, sizeBytes };
    });
  }

  #claim(action: string, ref: number, extents: readonly Extent[]): void {
    const { offsetBytes, sizeBytes } = extents[0]!;
    if (extents.length > 1) throw damaged(action, "a directory has several extents");
    if (sizeBytes > DIRECTORY_BYTES) {
      const state = `a directory has ${sizeBytes} bytes, more than ${DIRECTORY_BYTES}`;
      throw new FastboopError({ kind: "limit", action, state });
    }
    if ((this.#owners.get(offsetBytes) ?? ref) !== ref) {
      throw damaged(action, "a directory is in two places, or in itself");
    }
    this.#owners.set(offsetBytes, ref);
  }
}

function refusalOf(records: readonly DirectoryRecord[], { stored }: RockRidge): string | undefined {
  if (records.some(({ isInterleaved }) => isInterleaved)) return "its data is interleaved";
  return stored === undefined ? undefined : `its data is stored ${stored}`;
}

function sameName(a: DirectoryRecord, b: DirectoryRecord): boolean {
  return a.name.length === b.name.length && a.name.every((byte, i) => byte === b.name[i]);
}

function sameFile(a: IsoInode, b: IsoInode): boolean {
  return a.kind === b.kind && a.mode === b.mode && a.sizeBytes === b.sizeBytes &&
    a.linkTarget === b.linkTarget && a.extents.length === b.extents.length &&
    a.extents.every(({ offsetBytes }, i) => offsetBytes === b.extents[i]!.offsetBytes);
}

function targetOf(action: string, { link }: RockRidge): string {
  const bytes = Uint8Array.from(link?.bytes ?? []);
  if (bytes.length === 0 || bytes.includes(0)) throw damaged(action, "a link has no target");
  if (bytes.length > PATH_LIMIT_BYTES) {
    const state = `a link's target has ${bytes.length} bytes, more than ${PATH_LIMIT_BYTES}`;
    throw new FastboopError({ kind: "limit", action, state });
  }
  return decodeText(action, "a link's target", bytes);
}

/** isofs_read_inode() of the kernel: 16-bit numbers may stand in the low half alone. */
function deviceOf(
  { deviceHigh = 0, deviceLow = 0 }: RockRidge,
): { deviceMajor: number; deviceMinor: number } {
  if (deviceHigh === 0 && deviceLow > 0xff) {
    return { deviceMajor: deviceLow >>> 8, deviceMinor: deviceLow & 0xff };
  }
  return { deviceMajor: deviceHigh, deviceMinor: deviceLow };
}

/** What precedes the fields of every System Use area, when the root says that there are any. */
export async function rockRidgeSkip(
  action: string,
  reader: Reader,
  { blockBytes, rootRecord }: IsoVolumeDescriptor,
): Promise<number | undefined> {
  const offset = parseRecord(action, rootRecord).block * blockBytes;
  if (offset + SECTOR_BYTES > reader.sizeBytes) {
    throw damaged(action, "its root directory lies behind the end");
  }
  const bytes = new Uint8Array(SECTOR_BYTES);
  await reader.readAt(offset, bytes);
  const { systemUse } = parseRecord(action, bytes);
  const skip = suspSkip(systemUse);
  if (skip === undefined) return undefined;
  // System Use fields may be there for something else alone; Rock Ridge always tells the mode.
  const { mode } = await readRockRidge(action, reader, blockBytes, systemUse);
  return mode === undefined ? undefined : skip;
}
