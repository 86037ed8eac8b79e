/**
 * An imported device's connection: URBs go out, answers find their way back by sequence number.
 *
 * One loop reads. An IN payload goes straight into the buffer of the transfer that asked for it. The
 * server is not trusted: an answer with an unknown command, or with more data than was asked for, ends
 * the connection; an answer to nobody's question is skipped by the direction bit of its number (the
 * kernel's usbip-vudc lets answers of one connection leak into the next; numbers start at random).
 *
 * An abandoned transfer is unlinked and forgotten at once. The server's RET_UNLINK is never waited for:
 * the kernel's stub sends it only with the next completion when the transfer had already finished.
 */
import { FastboopError } from "../../errors/errors.ts";
import type { ByteStream } from "./byte_stream.ts";
import { PduWriter } from "./pdu_writer.ts";
import { STATUS_STALL, urbFault } from "./urb_fault.ts";
import {
  isInSeqnum,
  MAX_URB_BYTES,
  readReply,
  RET_SUBMIT,
  RET_UNLINK,
  URB_HEADER_BYTES,
  type UrbReply,
  writeSubmit,
  writeUnlink,
} from "./urb_wire.ts";

const STAGING_BYTES = 64 * 1024;
/** How long closing waits for the server to take what was already queued. */
const DRAIN_MS = 500;

/** One transfer to make. `data` is what to send, or where to put what comes. */
export interface UrbRequest {
  action: string;
  direction: "in" | "out";
  endpoint: number;
  interval: number;
  data: Uint8Array;
  /** The setup bytes of a control transfer: such a one may stall without ending the connection. */
  setup?: Uint8Array | undefined;
}

interface Pending {
  seqnum: number;
  request: UrbRequest;
  settled: boolean;
  resolve: (actualBytes: number) => void;
  reject: (error: FastboopError) => void;
}

/** A transfer under way. */
export interface Urb {
  /** Bytes moved; rejects with `refused` (stall) or `lost`. */
  readonly done: Promise<number>;
  /** Takes it back: `done` rejects with `error` now. Without effect once it has ended. */
  abandon(error: FastboopError): void;
}

/** The URB traffic of one imported device. */
export class UrbChannel {
  readonly #stream: ByteStream;
  readonly #deviceId: number;
  readonly #describe: (error: unknown) => string;
  readonly #writer: PduWriter;
  readonly #pending = new Map<number, Pending>();
  readonly #closed = Promise.withResolvers<void>();
  #counter: number;
  #endState: string | undefined;

  /** `describe` puts a stream's error into words. */
  constructor(stream: ByteStream, deviceId: number, describe: (error: unknown) => string) {
    this.#stream = stream;
    this.#deviceId = deviceId;
    this.#describe = describe;
    this.#counter = crypto.getRandomValues(new Uint32Array(1))[0]! >>> 1;
    this.#writer = new PduWriter(stream, (error) => this.#end(describe(error)));
    this.#readLoop().catch((error) => this.#end(describe(error)));
  }

  /** Settles when the connection has ended; never rejects. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Sends a transfer request. Transfers on one endpoint end in the order they were submitted. */
  submit(request: UrbRequest): Urb {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    if (this.#endState !== undefined) {
      reject(lost(request.action, this.#endState));
      return { done: promise, abandon: () => {} };
    }
    const seqnum = this.#nextSeqnum(request.direction);
    const pending: Pending = { seqnum, request, settled: false, resolve, reject };
    this.#pending.set(seqnum, pending);
    const head = {
      seqnum,
      deviceId: this.#deviceId,
      direction: request.direction,
      endpoint: request.endpoint,
      lengthBytes: request.data.length,
      interval: request.interval,
      setup: request.setup,
    };
    this.#writer.send(
      URB_HEADER_BYTES,
      (view, offset) => writeSubmit(view, offset, head),
      request.direction === "out" ? request.data : undefined,
    );
    return { done: promise, abandon: (error) => this.#abandon(pending, error) };
  }

  /** Takes every transfer back, lets queued messages leave whole, then closes the connection. */
  async close(state: string): Promise<void> {
    if (this.#endState !== undefined) return await this.closed;
    this.#endState = state;
    for (const pending of [...this.#pending.values()]) {
      this.#abandon(pending, lost(pending.request.action, state));
    }
    const limit = Promise.withResolvers<void>();
    const timer = setTimeout(limit.resolve, DRAIN_MS);
    await Promise.race([this.#writer.drained(), limit.promise]);
    clearTimeout(timer);
    this.#shut();
  }

  #abandon(pending: Pending, error: FastboopError): void {
    if (pending.settled) return;
    this.#settle(pending);
    pending.reject(error);
    const unlink = {
      seqnum: this.#nextSeqnum("out"),
      deviceId: this.#deviceId,
      victim: pending.seqnum,
    };
    this.#writer.send(URB_HEADER_BYTES, (view, offset) => writeUnlink(view, offset, unlink));
  }

  #settle(pending: Pending): void {
    pending.settled = true;
    this.#pending.delete(pending.seqnum);
  }

  #nextSeqnum(direction: "in" | "out"): number {
    // 31 bits of counter above the direction bit; 0 and 1 are left out, some servers take 0 for "none".
    this.#counter = (this.#counter + 1) & 0x7fff_ffff;
    if (this.#counter === 0) this.#counter = 1;
    return (this.#counter * 2 + (direction === "in" ? 1 : 0)) >>> 0;
  }

  /** Ends everything now: the connection is broken, or what it says cannot be trusted. */
  #end(state: string): void {
    this.#endState ??= state;
    const broken = [...this.#pending.values()];
    for (const pending of broken) {
      this.#settle(pending);
      pending.reject(lost(pending.request.action, this.#endState));
    }
    this.#shut();
  }

  #shut(): void {
    this.#writer.stop();
    this.#stream.close();
    this.#closed.resolve();
  }

  async #readLoop(): Promise<void> {
    const staging = new Uint8Array(STAGING_BYTES);
    const view = new DataView(staging.buffer);
    let start = 0;
    let end = 0;
    for (;;) {
      if (end - start < URB_HEADER_BYTES) {
        staging.copyWithin(0, start, end);
        end -= start;
        start = 0;
        const count = await this.#stream.read(staging.subarray(end));
        if (count === null) return this.#end(this.#endOfStream(end > 0));
        end += count;
        continue;
      }
      const reply = readReply(view, start);
      start += URB_HEADER_BYTES;
      const pending = this.#pending.get(reply.seqnum);
      const fault = faultOf(reply, pending);
      if (fault !== undefined) return this.#end(`the USB/IP server sent garbage: ${fault}`);
      let left = payloadBytes(reply);
      if (left > 0) {
        const into = pending?.request.data;
        const ready = Math.min(left, end - start);
        into?.set(staging.subarray(start, start + ready));
        start += ready;
        left -= ready;
        if (left > 0) {
          // Everything staged is used up: the rest goes where it belongs without a copy.
          if (!await this.#fill(staging, into?.subarray(ready), left)) {
            return this.#end(this.#endOfStream(true));
          }
          start = end = 0;
        }
      }
      if (pending !== undefined && reply.command === RET_SUBMIT) this.#finish(pending, reply);
    }
  }

  async #fill(
    scratch: Uint8Array,
    into: Uint8Array | undefined,
    sizeBytes: number,
  ): Promise<boolean> {
    for (let got = 0; got < sizeBytes;) {
      const room = into === undefined
        ? scratch.subarray(0, Math.min(scratch.length, sizeBytes - got))
        : into.subarray(got, sizeBytes);
      const count = await this.#stream.read(room);
      if (count === null) return false;
      got += count;
    }
    return true;
  }

  #finish(pending: Pending, reply: UrbReply): void {
    if (pending.settled) return;
    this.#settle(pending);
    const { request } = pending;
    if (reply.status !== 0) {
      pending.reject(urbFault(request.action, reply.status));
      if (request.setup !== undefined && reply.status === STATUS_STALL) return;
      void this.close("an earlier transfer failed");
      return;
    }
    if (request.direction === "out" && reply.actualBytes !== request.data.length) {
      const state = `the device took ${reply.actualBytes} of ${request.data.length} bytes`;
      pending.reject(lost(request.action, state));
      void this.close("an earlier transfer failed");
      return;
    }
    pending.resolve(reply.actualBytes);
  }

  #endOfStream(torn: boolean): string {
    return torn
      ? "the USB/IP server ended the connection in the middle of a message"
      : "the device was unplugged, or its USB/IP server ended";
  }
}

function lost(action: string, state: string): FastboopError {
  return new FastboopError({ kind: "lost", action, state });
}

/** Bytes that follow the header: only answers to IN transfers have any. */
function payloadBytes(reply: UrbReply): number {
  return reply.command === RET_SUBMIT && isInSeqnum(reply.seqnum) ? reply.actualBytes : 0;
}

function faultOf(reply: UrbReply, pending: Pending | undefined): string | undefined {
  if (reply.command === RET_UNLINK) return undefined;
  if (reply.command !== RET_SUBMIT) return `an answer of kind ${reply.command}`;
  const most = pending?.request.data.length ?? MAX_URB_BYTES;
  if (reply.actualBytes <= most) return undefined;
  return `${reply.actualBytes} bytes for a transfer of ${most}`;
}
