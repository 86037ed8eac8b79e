/**
 * A cable in memory: a UsbLink for the host at one end, a GadgetPort for the phone at the other.
 *
 * Data moves as USB moves it: in packets, only when both ends want it, a transfer ending when it is
 * full or with a short packet; nothing marks the end of a payload that is a multiple of the packet. A
 * packet that does not fit its transfer is an overrun and breaks the cable, as babble does.
 *
 * Every transfer has a number, at which the cable can be pulled; it can also be cut after so many
 * bytes, in the middle of a payload.
 */
import { FastboopError } from "../../lib/errors/errors.ts";
import { type Clock, systemClock } from "../../lib/sources/clock.ts";
import type { Setup, TransferOptions, UsbInterface, UsbLink } from "../../lib/usb/link.ts";
import type { ControlHandler, GadgetPort } from "./gadget_port.ts";

export const REQUEST_IN = 0x81;
export const RESPONSE_OUT = 0x01;
export const PAYLOAD_IN = 0x82;
export const PAYLOAD_OUT = 0x02;

export interface MemoryLinkOptions {
  /** Pulls the cable when the host begins this transfer (0 is the first). */
  unplugAtTransfer?: number;
  /** Pulls the cable once so many bytes have moved on the data pipes. */
  cutAfterBytes?: number;
  /** True: a control deadline that passes ends the link, as some drivers have it. */
  deadlineEndsLink?: boolean;
  clock?: Clock;
}

interface Side {
  bytes: Uint8Array;
  movedBytes: number;
  resolve(bytes: number): void;
  reject(error: unknown): void;
}

/** One endpoint: what one side sends meets what the other wants. */
class Pipe {
  readonly senders: Side[] = [];
  readonly receivers: Side[] = [];

  constructor(readonly packetBytes: number, readonly cable: MemoryCable) {}

  send(bytes: Uint8Array): Promise<number> {
    return this.#join(this.senders, bytes);
  }

  receive(into: Uint8Array): Promise<number> {
    return this.#join(this.receivers, into);
  }

  fail(error: FastboopError): void {
    for (const side of [...this.senders, ...this.receivers]) side.reject(error);
    this.senders.length = 0;
    this.receivers.length = 0;
  }

  #join(queue: Side[], bytes: Uint8Array): Promise<number> {
    if (this.cable.failure) return Promise.reject(this.cable.failure);
    return new Promise((resolve, reject) => {
      queue.push({ bytes, movedBytes: 0, resolve, reject });
      this.#match();
    });
  }

  #match(): void {
    while (this.senders.length > 0 && this.receivers.length > 0) {
      const sender = this.senders[0]!;
      const receiver = this.receivers[0]!;
      if (!this.#move(sender, receiver)) return;
      const isSent = sender.movedBytes === sender.bytes.length;
      const isFull = receiver.movedBytes === receiver.bytes.length;
      const lastBytes = sender.bytes.length % this.packetBytes;
      const endsShort = isSent && (lastBytes !== 0 || sender.bytes.length === 0);
      if (isFull && !isSent && sender.movedBytes % this.packetBytes !== 0) {
        this.cable.fail("a packet was longer than what was asked for");
        return;
      }
      if (isSent) this.senders.shift()!.resolve(sender.movedBytes);
      if (isFull || endsShort) this.receivers.shift()!.resolve(receiver.movedBytes);
    }
  }

  /** False when the cable was cut on the way. */
  #move(sender: Side, receiver: Side): boolean {
    const wanted = Math.min(
      sender.bytes.length - sender.movedBytes,
      receiver.bytes.length - receiver.movedBytes,
    );
    const granted = this.cable.grant(wanted);
    const part = sender.bytes.subarray(sender.movedBytes, sender.movedBytes + granted);
    receiver.bytes.set(part, receiver.movedBytes);
    sender.movedBytes += granted;
    receiver.movedBytes += granted;
    if (granted === wanted) return true;
    this.cable.unplug();
    return false;
  }
}

export class MemoryCable {
  readonly link: UsbLink;
  readonly port: GadgetPort;
  failure: FastboopError | undefined;
  /** Transfers the host has begun. */
  transfers = 0;
  /** Transfers the host has begun and that have not settled. */
  open = 0;
  readonly #options: MemoryLinkOptions;
  readonly #clock: Clock;
  readonly #pipes: Map<number, Pipe>;
  readonly #closed = Promise.withResolvers<void>();
  #control: ControlHandler = () => "silence";
  #bytesLeft: number;

  constructor(options: MemoryLinkOptions = {}) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#bytesLeft = options.cutAfterBytes ?? Infinity;
    this.#pipes = new Map(
      INTERFACE.endpoints.map((one) => [one.address, new Pipe(one.maxPacketBytes, this)]),
    );
    this.port = {
      closed: this.#closed.promise,
      onControl: (handler) => this.#control = handler,
      send: async (endpoint, data) => void await this.#pipe(endpoint).send(data),
      receive: (endpoint, into) => this.#pipe(endpoint).receive(into),
    };
    this.link = {
      info: { vendorId: 0xdead, productId: 0xbeef, path: "memory" },
      claimed: INTERFACE,
      closed: this.#closed.promise,
      controlIn: (setup, lengthBytes, o) =>
        this.#count(() => this.#controlTransfer(setup, lengthBytes, undefined, o)),
      controlOut: async (setup, data, o) =>
        void await this.#count(() => this.#controlTransfer(setup, data.length, data, o)),
      transferIn: (endpoint, lengthBytes, o) =>
        this.#count(() => this.#transferIn(endpoint, lengthBytes, o)),
      transferOut: async (endpoint, data) =>
        void await this.#count(() => this.#pipe(endpoint).send(data)),
      [Symbol.asyncDispose]: () => {
        this.fail("it was closed");
        return Promise.resolve();
      },
    };
  }

  /** Pulls the cable out. */
  unplug(): void {
    this.fail("the cable is out");
  }

  fail(state: string): void {
    if (this.failure) return;
    this.failure = new FastboopError({ kind: "lost", action: "Use the memory cable", state });
    for (const pipe of this.#pipes.values()) pipe.fail(this.failure);
    this.#closed.resolve();
  }

  /** How many of `wantedBytes` still get through. */
  grant(wantedBytes: number): number {
    const granted = Math.min(wantedBytes, this.#bytesLeft);
    this.#bytesLeft -= granted;
    return granted;
  }

  #pipe(endpoint: number): Pipe {
    const pipe = this.#pipes.get(endpoint);
    if (pipe === undefined) throw new Error(`no endpoint ${endpoint}`);
    return pipe;
  }

  async #count<T>(begin: () => Promise<T>): Promise<T> {
    if (this.transfers++ === this.#options.unplugAtTransfer) this.unplug();
    if (this.failure) throw this.failure;
    this.open++;
    try {
      return await begin();
    } finally {
      this.open--;
    }
  }

  #transferIn(
    endpoint: number,
    lengthBytes: number,
    options: TransferOptions = {},
  ): Promise<Uint8Array> {
    const into = new Uint8Array(lengthBytes);
    const { signal } = options;
    if (signal?.aborted) this.fail("a transfer was stopped");
    const stop = () => this.fail("a transfer was stopped");
    signal?.addEventListener("abort", stop);
    return this.#pipe(endpoint).receive(into)
      .then((gotBytes) => gotBytes === lengthBytes ? into : into.subarray(0, gotBytes))
      .finally(() => signal?.removeEventListener("abort", stop));
  }

  #controlTransfer(
    setup: Setup,
    lengthBytes: number,
    data: Uint8Array | undefined,
    options: TransferOptions = {},
  ): Promise<Uint8Array> {
    const reply = this.#control(setup, lengthBytes, data);
    if (reply === "stall") {
      const parts = {
        kind: "refused",
        action: "Make a control request",
        state: "stalled",
      } as const;
      return Promise.reject(new FastboopError(parts));
    }
    if (reply !== "silence") return Promise.resolve(reply.slice(0, lengthBytes));
    return this.#silence(options);
  }

  #silence(options: TransferOptions): Promise<never> {
    const { timeoutMs, signal } = options;
    return new Promise((_, reject) => {
      const lose = (state: string) => {
        stopTimer();
        signal?.removeEventListener("abort", stop);
        reject(new FastboopError({ kind: "lost", action: "Make a control request", state }));
      };
      const stop = () => lose("stopped");
      const expire = () => {
        lose("no answer in time");
        if (this.#options.deadlineEndsLink) this.fail("a deadline passed");
      };
      const stopTimer = timeoutMs === undefined
        ? () => {}
        : this.#clock.startTimer(timeoutMs, expire);
      signal?.addEventListener("abort", stop);
      this.#closed.promise.then(() => lose("the cable is out"));
    });
  }
}

const INTERFACE: UsbInterface = {
  number: 0,
  alternate: 0,
  classCode: 0xff,
  subclassCode: 0x53,
  protocolCode: 0x4d,
  endpoints: [
    { address: REQUEST_IN, type: "interrupt", direction: "in", maxPacketBytes: 1024 },
    { address: RESPONSE_OUT, type: "interrupt", direction: "out", maxPacketBytes: 1024 },
    { address: PAYLOAD_IN, type: "bulk", direction: "in", maxPacketBytes: 512 },
    { address: PAYLOAD_OUT, type: "bulk", direction: "out", maxPacketBytes: 512 },
  ],
};
