/** A host with two pattern disks, a cable in memory and a phone at the other end. */
import { FastboopError } from "../../lib/errors/errors.ts";
import type { SessionEnd, SmooEvent } from "../../lib/smoo/events.ts";
import { SmooHost, type SmooHostOptions } from "../../lib/smoo/host.ts";
import type { Reader, ReadOptions } from "../../lib/sources/reader.ts";
import type { UsbLink } from "../../lib/usb/link.ts";
import { MemoryCable, type MemoryLinkOptions } from "../support/memory_link.ts";
import { PatternReader } from "../support/pattern_reader.ts";
import { SmooPhone, type SmooPhoneOptions } from "../support/smoo_phone.ts";

export const ROOTFS_BYTES = 8 * 2 ** 20;
/** Not a whole number of blocks. */
export const MODULES_BYTES = 2 ** 20 + 1000;
const BLOCK_BYTES = 4096;

/** Asked before each read of export 1: waits, or throws. */
export type Hold = (
  offsetBytes: number,
  signal: AbortSignal | undefined,
  into: Uint8Array,
) => Promise<void> | void;

export interface RigOptions {
  host?: SmooHostOptions;
  phone?: SmooPhoneOptions;
  hold?: Hold;
}

export class Rig {
  readonly host: SmooHost;
  readonly phone: SmooPhone;
  readonly events: SmooEvent[] = [];
  cable!: MemoryCable;
  ended!: Promise<SessionEnd>;
  #stop = new AbortController();
  readonly #patterns: PatternReader[];

  constructor(options: RigOptions = {}) {
    const size = { blockSizeBytes: BLOCK_BYTES };
    this.#patterns = [
      new PatternReader({ seed: 0xdead, sizeBytes: ROOTFS_BYTES, ...size }),
      new PatternReader({ seed: 0xbeef, sizeBytes: MODULES_BYTES, ...size }),
    ];
    const rootfs = new HeldReader(this.#patterns[0]!, options.hold ?? (() => {}));
    const onEvent = options.host?.onEvent ?? ((event: SmooEvent) => this.events.push(event));
    this.host = new SmooHost([
      { id: 1, name: "rootfs", reader: rootfs, blockSizeBytes: BLOCK_BYTES },
      { id: 2, name: "modules", reader: this.#patterns[1]!, blockSizeBytes: BLOCK_BYTES },
    ], { ...options.host, onEvent });
    this.phone = new SmooPhone(options.phone);
  }

  /** Plugs phone and host into a new cable. */
  connect(cable: MemoryLinkOptions = {}): void {
    this.connectThrough((link) => link, cable);
  }

  /** The same with something between host and cable. */
  connectThrough(wrap: (link: UsbLink) => UsbLink, cable: MemoryLinkOptions = {}): void {
    this.cable = new MemoryCable(cable);
    this.#stop = new AbortController();
    this.phone.attach(this.cable.port);
    this.ended = this.host.serve(wrap(this.cable.link), { signal: this.#stop.signal });
  }

  /** The user stops the host. */
  stop(): Promise<SessionEnd> {
    this.#stop.abort();
    return this.ended;
  }

  /** What the disk holds there, the padding included. */
  expected(exportId: number, lba: number, numBlocks: number): Uint8Array {
    const bytes = new Uint8Array(numBlocks * BLOCK_BYTES);
    const pattern = this.#patterns[exportId - 1]!;
    pattern.fill(lba * BLOCK_BYTES, bytes);
    const realBytes = pattern.sizeBytes - lba * BLOCK_BYTES;
    if (realBytes < bytes.length) bytes.fill(0, realBytes);
    return bytes;
  }

  /** Reads through the phone and compares every byte. */
  verify(exportId: number, lba: number, numBlocks: number): Promise<void> {
    const expected = this.expected(exportId, lba, numBlocks);
    return this.phone.verify(exportId, lba, numBlocks, expected);
  }

  eventsOf<T extends SmooEvent["type"]>(type: T): Extract<SmooEvent, { type: T }>[] {
    return this.events.filter((one) => one.type === type) as Extract<SmooEvent, { type: T }>[];
  }
}

class HeldReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;

  constructor(readonly inner: Reader, readonly hold: Hold) {
    this.sizeBytes = inner.sizeBytes;
    this.identity = inner.identity;
  }

  async readAt(offsetBytes: number, into: Uint8Array, options: ReadOptions = {}): Promise<void> {
    await this.hold(offsetBytes, options.signal, into);
    await this.inner.readAt(offsetBytes, into);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.inner[Symbol.asyncDispose]();
  }
}

/** Waits for `gate`; an abort ends the wait, as the Reader contract has it. */
export function waitFor(gate: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () =>
      reject(new FastboopError({ kind: "cancelled", action: "Read", state: "stopped" }));
    if (signal?.aborted) return stop();
    signal?.addEventListener("abort", stop);
    gate.then(resolve);
  });
}
