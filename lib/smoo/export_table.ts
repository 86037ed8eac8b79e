/**
 * The disks of one host, checked once, and what a Request means for them.
 *
 * A disk is a whole number of blocks: the reader's size is rounded up and the rest reads as zeros.
 * `judge` is the only place that believes or disbelieves a Request; it is pure, so it can be fuzzed.
 */
import { alignUp } from "../bytes/align.ts";
import { EINVAL, EOPNOTSUPP } from "../errors/errno.ts";
import { FastboopError } from "../errors/errors.ts";
import type { Reader } from "../sources/reader.ts";
import type { ExportCounters } from "./events.ts";
import type { SmooExport } from "./export.ts";
import {
  type ExportEntry,
  MAX_EXPORTS,
  OP_DISCARD,
  OP_FLUSH,
  OP_WRITE,
  type Request,
} from "./wire.ts";

/** Largest payload of one Request; gadgets use 256 KiB to 1 MiB. */
export const MAX_REQUEST_BYTES = 4 * 1024 * 1024;

/** A checked export. */
export interface Disk extends ExportEntry {
  /** Position in the list. */
  readonly index: number;
  readonly name: string;
  readonly reader: Reader;
  readonly blockCount: number;
  readonly counters: ExportCounters;
}

/** What to do with a Request. */
export type Verdict =
  /** Serve these bytes. */
  | { kind: "read"; disk: Disk; offsetBytes: number; sizeBytes: number }
  /** Answer with this status, no payload either way. */
  | { kind: "answer"; disk: Disk | undefined; status: number }
  /** Take the payload off the wire, then answer with this status. */
  | { kind: "drain"; disk: Disk; sizeBytes: number; status: number };

export class ExportTable {
  readonly disks: readonly Disk[];
  readonly #byId = new Map<number, Disk>();

  /** @throws {FastboopError} `usage`: the list is not one that a gadget can be given. */
  constructor(exports: readonly SmooExport[]) {
    if (exports.length < 1 || exports.length > MAX_EXPORTS) {
      throw refuse(`${exports.length} exports, must be 1 to ${MAX_EXPORTS}`);
    }
    this.disks = exports.map(checkExport);
    for (const disk of this.disks) {
      const before = this.disks[disk.index - 1];
      if (before && before.id >= disk.id) {
        throw refuse(`id ${disk.id} of "${disk.name}" does not ascend from ${before.id}`);
      }
      this.#byId.set(disk.id, disk);
    }
  }

  /**
   * @throws {FastboopError} `corrupt` for a Write whose payload has no known or no bearable length:
   * what follows on the pipe can then not be told apart any more.
   */
  judge(request: Request): Verdict {
    const disk = this.#byId.get(request.exportId);
    if (request.op === OP_WRITE) return judgeWrite(request, disk);
    if (disk === undefined) return { kind: "answer", disk, status: EINVAL };
    if (request.op === OP_FLUSH) return { kind: "answer", disk, status: 0 };
    if (request.op === OP_DISCARD) return { kind: "answer", disk, status: EOPNOTSUPP };
    const sizeBytes = request.numBlocks * disk.blockSizeBytes;
    const inside = request.lba + BigInt(request.numBlocks) <= BigInt(disk.blockCount);
    if (!inside || sizeBytes < 1 || sizeBytes > MAX_REQUEST_BYTES) {
      return { kind: "answer", disk, status: EINVAL };
    }
    return {
      kind: "read",
      disk,
      offsetBytes: Number(request.lba) * disk.blockSizeBytes,
      sizeBytes,
    };
  }
}

/** Every disk is read-only, but the payload of a Write is on its way and has to be taken. */
function judgeWrite(request: Request, disk: Disk | undefined): Verdict {
  const action = "Take the payload of a Write";
  if (disk === undefined) {
    const state = `export ${request.exportId} does not exist, so its length is unknown`;
    throw new FastboopError({ kind: "corrupt", action, state });
  }
  const sizeBytes = request.numBlocks * disk.blockSizeBytes;
  if (sizeBytes > MAX_REQUEST_BYTES) {
    const state = `${sizeBytes} bytes, at most ${MAX_REQUEST_BYTES}`;
    throw new FastboopError({ kind: "corrupt", action, state });
  }
  if (sizeBytes === 0) return { kind: "answer", disk, status: EOPNOTSUPP };
  return { kind: "drain", disk, sizeBytes, status: EOPNOTSUPP };
}

function checkExport(one: SmooExport, index: number): Disk {
  const { id, name, reader, blockSizeBytes } = one;
  if (!Number.isInteger(id) || id < 1 || id > 0xffff_ffff) throw refuse(`"${name}" has id ${id}`);
  const isPowerOfTwo = (blockSizeBytes & (blockSizeBytes - 1)) === 0;
  if (!isPowerOfTwo || !(blockSizeBytes >= 512 && blockSizeBytes <= 4096)) {
    throw refuse(`"${name}" has block size ${blockSizeBytes}, must be a power of two, 512 to 4096`);
  }
  const sizeBytes = alignUp(reader.sizeBytes, blockSizeBytes);
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 1) {
    throw refuse(`"${name}" has ${reader.sizeBytes} bytes`);
  }
  const blockCount = sizeBytes / blockSizeBytes;
  const counters = { id, name, requests: 0, servedBytes: 0, errors: 0 };
  return { id, index, name, reader, blockSizeBytes, sizeBytes, blockCount, counters };
}

function refuse(state: string): FastboopError {
  return new FastboopError({ kind: "usage", action: "Export disks to the phone", state });
}
