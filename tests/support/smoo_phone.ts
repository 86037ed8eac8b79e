/**
 * The phone's half of smoo, as a test wants it: it asks for blocks, takes the answers in the order the
 * protocol promises, compares every byte, and notes whatever breaks a rule.
 *
 * Like a real gadget it keeps what was not answered when the cable goes, and asks again after the next
 * host's CONFIG_EXPORTS and STATUS. It can also behave badly: `sendRaw` puts anything on the wire.
 */
import { Buffer } from "node:buffer";
import { setImmediate } from "node:timers";
import { FastboopError } from "../../lib/errors/errors.ts";
import {
  decodeConfigExports,
  decodeResponse,
  encodeIdent,
  encodeRequest,
  encodeStatus,
  type ExportEntry,
  OP_READ,
  OP_WRITE,
  type Request,
} from "../../lib/smoo/wire.ts";
import type { Setup } from "../../lib/usb/link.ts";
import type { ControlReply, GadgetPort } from "./gadget_port.ts";
import { PAYLOAD_IN, PAYLOAD_OUT, REQUEST_IN, RESPONSE_OUT } from "./memory_link.ts";

export interface SmooPhoneOptions {
  sessionId?: bigint;
  /** Requests on the wire at once, over all exports. */
  queueDepth?: number;
  /** Stamps Request.flags with the number of its replays and demands it back. */
  stampsGeneration?: boolean;
  /** Blocks read from each disk before it is counted online, as a partition scan does. */
  scanBlocks?: number;
  /** Never counts a disk as online. */
  staysOffline?: boolean;
}

export interface PhoneAnswer {
  status: number;
  data: Uint8Array;
}

interface Pending {
  request: Request;
  payload: Uint8Array | undefined;
  isPayloadSent: boolean;
  resolve(answer: PhoneAnswer): void;
  reject(error: unknown): void;
}

export class SmooPhone {
  sessionId: bigint;
  exports: ExportEntry[] = [];
  /** Rules that the host broke. */
  readonly faults: string[] = [];
  readonly answers = { total: 0, bytes: 0 };
  /** Turns STATUS off, or anything else that is asked. */
  control: ((setup: Setup) => ControlReply | undefined) | undefined;
  /** While set, no Response and no payload is taken. */
  stalled: Promise<void> | undefined;
  statuses = 0;
  readonly #options: SmooPhoneOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #freeTags: number[];
  readonly #waitingForTag: (() => void)[] = [];
  #port: GadgetPort | undefined;
  #isOnline = false;
  /** Since the cable was plugged in. */
  #wasOnline = false;
  #generation = 0;
  #scanned = 0;
  #whenOnline = Promise.withResolvers<void>();

  constructor(options: SmooPhoneOptions = {}) {
    this.#options = options;
    this.sessionId = options.sessionId ?? 0x0102030405060708n;
    this.#freeTags = Array.from({ length: options.queueDepth ?? 16 }, (_, tag) => tag).reverse();
  }

  /** Plugs the phone in. */
  attach(port: GadgetPort): void {
    this.#port = port;
    this.#isOnline = false;
    // Who waits since before the cable was there goes on waiting.
    if (this.#wasOnline) this.#whenOnline = Promise.withResolvers<void>();
    this.#wasOnline = false;
    port.onControl((setup, lengthBytes, data) => this.#onControl(setup, lengthBytes, data));
    this.#takeResponses(port).catch((error) => {
      if (!(error instanceof FastboopError && error.kind === "lost")) this.#fault(error);
    });
  }

  /** Settles when a host has connected. */
  get online(): Promise<void> {
    return this.#whenOnline.promise;
  }

  /** Requests without an answer. */
  get unanswered(): number {
    return this.#pending.size;
  }

  read(exportId: number, lba: number | bigint, numBlocks: number): Promise<PhoneAnswer> {
    return this.#ask({ op: OP_READ, exportId, lba: BigInt(lba), numBlocks });
  }

  write(exportId: number, lba: number, payload: Uint8Array, numBlocks: number) {
    return this.#ask({ op: OP_WRITE, exportId, lba: BigInt(lba), numBlocks }, payload);
  }

  /** Flush or discard. */
  command(op: number, exportId: number): Promise<PhoneAnswer> {
    return this.#ask({ op, exportId, lba: 0n, numBlocks: 0 });
  }

  /** Reads and compares; tells the first wrong byte. */
  async verify(
    exportId: number,
    lba: number,
    numBlocks: number,
    expected: Uint8Array,
  ): Promise<void> {
    const { status, data } = await this.read(exportId, lba, numBlocks);
    if (status !== 0) throw new Error(`export ${exportId} lba ${lba}: status ${status}`);
    if (Buffer.compare(data, expected) === 0) return;
    if (data.length !== expected.length) throw new Error(`${data.length} bytes came`);
    const at = data.findIndex((byte, index) => byte !== expected[index]);
    throw new Error(`export ${exportId} lba ${lba}: byte ${at} is wrong`);
  }

  /** Puts a message on the Request pipe as it is. */
  sendRaw(message: Uint8Array): Promise<void> {
    return this.#port!.send(REQUEST_IN, message);
  }

  /** Asks again for what is unanswered although the link is up, as after a fault of the gadget. */
  replay(): void {
    this.#generation++;
    for (const pending of this.#pending.values()) this.#send(pending);
  }

  async #ask(
    parts: Omit<Request, "requestId" | "flags">,
    payload?: Uint8Array,
  ): Promise<PhoneAnswer> {
    while (this.#freeTags.length === 0) {
      await new Promise<void>((resolve) => this.#waitingForTag.push(resolve));
    }
    const requestId = this.#freeTags.pop()!;
    const { promise, resolve, reject } = Promise.withResolvers<PhoneAnswer>();
    const pending: Pending = {
      request: { ...parts, requestId, flags: 0 },
      payload,
      isPayloadSent: true,
      resolve,
      reject,
    };
    this.#pending.set(requestId, pending);
    if (this.#isOnline) this.#send(pending);
    return promise;
  }

  #send(pending: Pending): void {
    const port = this.#port!;
    pending.request.flags = this.#options.stampsGeneration ? this.#generation : 0;
    const ignore = () => {};
    port.send(REQUEST_IN, encodeRequest(pending.request)).catch(ignore);
    if (!pending.payload?.length) return;
    pending.isPayloadSent = false;
    port.send(PAYLOAD_IN, pending.payload).then(() => pending.isPayloadSent = true, ignore);
  }

  #onControl(setup: Setup, lengthBytes: number, data: Uint8Array | undefined): ControlReply {
    const special = this.control?.(setup);
    if (special !== undefined) return special;
    const key = setup.requestType << 8 | setup.request;
    if (setup.value !== 0 || setup.index !== 0) this.faults.push("wValue or wIndex is not 0");
    if (key === 0xc101 && lengthBytes >= 8) return encodeIdent({ major: 0, minor: 1 });
    if (key === 0x4102 && data !== undefined) return this.#configure(data);
    if (key === 0xa103 && lengthBytes >= 16) return this.#status();
    return "stall";
  }

  #configure(data: Uint8Array): ControlReply {
    const entries = decodeConfigExports(data);
    if (this.exports.length > 0 && JSON.stringify(entries) !== JSON.stringify(this.exports)) {
      this.faults.push("the exports of a running phone changed");
    }
    this.exports = entries;
    this.#isOnline = false;
    return new Uint8Array(0);
  }

  #status(): ControlReply {
    this.statuses++;
    if (!this.#isOnline && this.exports.length > 0) {
      this.#isOnline = true;
      this.replay();
      this.#scan();
      this.#wasOnline = true;
      this.#whenOnline.resolve();
    }
    const isUp = !this.#options.staysOffline &&
      this.#scanned >= this.exports.length * (this.#options.scanBlocks ?? 0);
    const exportCount = isUp ? this.exports.length : 0;
    return encodeStatus({ flags: exportCount > 0 ? 1 : 0, exportCount, sessionId: this.sessionId });
  }

  /** Each disk is read before it counts as online. */
  #scan(): void {
    if (this.#scanned > 0) return;
    for (const { id } of this.exports) {
      for (let lba = 0; lba < (this.#options.scanBlocks ?? 0); lba++) {
        this.read(id, lba, 1).then(() => this.#scanned++);
      }
    }
  }

  /** Takes Responses, and behind each Read that succeeded exactly its payload. */
  async #takeResponses(port: GadgetPort): Promise<void> {
    const message = new Uint8Array(1024);
    while (true) {
      const gotBytes = await port.receive(RESPONSE_OUT, message);
      await this.stalled;
      const response = decodeResponse(message.slice(0, gotBytes));
      const pending = this.#pending.get(response.requestId);
      if (pending === undefined) throw new Error(`answer to unknown id ${response.requestId}`);
      const { op, exportId, lba, numBlocks, flags } = pending.request;
      const isEcho = op === response.op && exportId === response.exportId &&
        lba === response.lba && numBlocks === response.numBlocks && flags === response.flags;
      if (!isEcho) throw new Error(`answer to ${response.requestId} is to another question`);
      if (!pending.isPayloadSent) throw new Error("a Write was answered before its payload went");
      let data = new Uint8Array(0);
      if (op === OP_READ && response.status === 0) {
        const disk = this.exports.find((one) => one.id === exportId);
        data = new Uint8Array(numBlocks * (disk?.blockSizeBytes ?? 0));
        const dataBytes = await port.receive(PAYLOAD_OUT, data);
        if (dataBytes !== data.length) {
          throw new Error(`payload of ${dataBytes} bytes, not ${data.length}`);
        }
      }
      this.#complete(pending, { status: response.status, data });
      // A host in the same memory answers without ever leaving the microtask queue: let timers run.
      if (this.answers.total % 256 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** A rule was broken: whoever waits for an answer is told, as none will come. */
  #fault(error: unknown): void {
    this.faults.push(error instanceof Error ? error.message : String(error));
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }

  #complete(pending: Pending, answer: PhoneAnswer): void {
    this.#pending.delete(pending.request.requestId);
    this.#freeTags.push(pending.request.requestId);
    this.answers.total++;
    this.answers.bytes += answer.data.length;
    pending.resolve(answer);
    this.#waitingForTag.shift()?.();
  }
}
