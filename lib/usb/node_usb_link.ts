/**
 * One claimed interface of a device on this machine, over npm:usb, as a UsbLink.
 *
 * Traits of npm:usb 3 that shape this file (node-usb/node-usb-rs src/webusb_device.rs):
 * - One transfer per endpoint at a time; a second one fails. So each endpoint has a queue here.
 * - Without a timeout argument a transfer ends after 1000 ms, and partial data is dropped.
 * - A transfer under way cannot be taken back. Waiting on an interrupt pipe is therefore done in short
 *   turns, whose expiry loses nothing: such a message is one packet. Stopping rejects at once, and the
 *   turn under way ends by itself within its second.
 * - Every call costs a thread hop, so data goes in pieces of 1 MiB.
 */
import { cancelled, FastboopError } from "../errors/errors.ts";
import type {
  Setup,
  TransferInOptions,
  TransferOptions,
  UsbEndpoint,
  UsbInfo,
  UsbInterface,
  UsbLink,
} from "./link.ts";
import { classifyNodeUsb, nodeUsbFault } from "./node_usb_fault.ts";
import type { WebUsbDevice, WebUsbSetup } from "./web_usb.ts";

const PIECE_BYTES = 1024 * 1024;
const INTERRUPT_TURN_MS = 1000;
/** Bulk and control transfers without a deadline get this one: npm:usb needs a number. */
const NO_DEADLINE_MS = 600_000;

/** A claimed interface of an opened device. */
export class NodeUsbLink implements UsbLink {
  readonly info: UsbInfo;
  readonly claimed: UsbInterface;
  readonly #device: WebUsbDevice;
  readonly #queues = new Map<number, Promise<unknown>>();
  readonly #closed = Promise.withResolvers<void>();
  /** Rejects every waiting transfer when the link ends. */
  readonly #over = new AbortController();

  constructor(device: WebUsbDevice, info: UsbInfo, claimed: UsbInterface) {
    this.#device = device;
    this.info = info;
    this.claimed = claimed;
  }

  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  async controlIn(
    setup: Setup,
    lengthBytes: number,
    options?: TransferOptions,
  ): Promise<Uint8Array> {
    return await this.#control(options, async (timeoutMs) => {
      const web = webSetup(setup);
      const { data } = await this.#device.controlTransferIn(web, lengthBytes, timeoutMs);
      return bytesOf(data);
    });
  }

  async controlOut(setup: Setup, data: Uint8Array, options?: TransferOptions): Promise<void> {
    const whole = new Uint8Array(data);
    await this.#control(options, async (timeoutMs) => {
      await this.#device.controlTransferOut(webSetup(setup), whole, timeoutMs);
    });
  }

  async transferIn(
    endpoint: number,
    lengthBytes: number,
    options?: TransferInOptions,
  ): Promise<Uint8Array> {
    const found = this.#endpoint(endpoint, "in");
    const into = options?.into ?? new Uint8Array(lengthBytes);
    const action = "Read from the phone over USB";
    return await this.#queued(found, action, options, async (turn) => {
      let got = 0;
      do {
        const wanted = Math.min(lengthBytes - got, PIECE_BYTES);
        const bytes = await turn((timeoutMs) =>
          this.#device.transferIn(endpoint & 0x0f, wanted, timeoutMs)
        );
        const part = bytesOf(bytes.data);
        if (part.length > wanted) throw failure(action, `${part.length} bytes for ${wanted}`);
        into.set(part, got);
        got += part.length;
        if (part.length < wanted) break;
      } while (got < lengthBytes);
      return into.subarray(0, got);
    });
  }

  async transferOut(endpoint: number, data: Uint8Array, options?: TransferOptions): Promise<void> {
    const found = this.#endpoint(endpoint, "out");
    const action = "Write to the phone over USB";
    await this.#queued(found, action, options, async (turn) => {
      let sent = 0;
      do {
        const piece = new Uint8Array(data.subarray(sent, sent + PIECE_BYTES));
        const { bytesWritten } = await turn((timeoutMs) =>
          this.#device.transferOut(endpoint & 0x0f, piece, timeoutMs)
        );
        if (bytesWritten !== piece.length) {
          throw failure(action, `the device took ${bytesWritten} of ${piece.length} bytes`);
        }
        sent += piece.length;
      } while (sent < data.length);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end("the link was closed");
  }

  /** A control transfer may stall, be stopped or be late without ending the link. */
  async #control<T>(
    options: TransferOptions | undefined,
    work: (timeoutMs: number) => Promise<T>,
  ): Promise<T> {
    const action = "Send a USB control request";
    try {
      const timeoutMs = Math.max(Math.ceil(options?.timeoutMs ?? NO_DEADLINE_MS), 1);
      return await this.#unlessStopped(action, options?.signal, () => work(timeoutMs));
    } catch (error) {
      const fault = error instanceof FastboopError ? undefined : classifyNodeUsb(error);
      const harmless = error instanceof FastboopError || fault === "stall" || fault === "timeout";
      if (!harmless) void this.#end("an earlier transfer failed");
      throw nodeUsbFault(action, error, this.info);
    }
  }

  /** Runs a data transfer after those before it on its endpoint; any failure ends the link. */
  async #queued<T>(
    endpoint: UsbEndpoint,
    action: string,
    options: TransferOptions | undefined,
    work: (turn: Turn) => Promise<T>,
  ): Promise<T> {
    const endMs = performance.now() + (options?.timeoutMs ?? Infinity);
    const over = this.#over.signal;
    const start = () => {
      const before = this.#queues.get(endpoint.address) ?? Promise.resolve();
      const running = before.then(() => {
        if (over.aborted) throw failure(action, String(over.reason));
        return work(turns(endpoint, endMs, over));
      });
      this.#queues.set(endpoint.address, running.catch(() => {}));
      return running;
    };
    try {
      return await this.#unlessStopped(action, options?.signal, start);
    } catch (error) {
      void this.#end("an earlier transfer failed");
      throw nodeUsbFault(action, error, this.info);
    }
  }

  /** Starts `work`, but rejects as soon as the caller's signal fires or the link ends. */
  async #unlessStopped<T>(
    action: string,
    signal: AbortSignal | undefined,
    work: () => Promise<T>,
  ): Promise<T> {
    if (signal?.aborted) throw cancelled(action, signal);
    if (this.#over.signal.aborted) throw failure(action, String(this.#over.signal.reason));
    const stopped = Promise.withResolvers<never>();
    const onStop = () => stopped.reject(cancelled(action, signal));
    const onOver = () => stopped.reject(failure(action, String(this.#over.signal.reason)));
    signal?.addEventListener("abort", onStop);
    this.#over.signal.addEventListener("abort", onOver);
    try {
      const running = work();
      running.catch(() => {}); // when it loses the race
      return await Promise.race([running, stopped.promise]);
    } finally {
      signal?.removeEventListener("abort", onStop);
      this.#over.signal.removeEventListener("abort", onOver);
    }
  }

  #endpoint(address: number, direction: "in" | "out"): UsbEndpoint {
    const found = this.claimed.endpoints.find((e) => e.address === address);
    if (found?.direction === direction) return found;
    throw new FastboopError({
      kind: "internal",
      action: "Use the USB link",
      state: `the interface has no ${direction} endpoint 0x${address.toString(16)}`,
    });
  }

  async #end(state: string): Promise<void> {
    if (this.#over.signal.aborted) return await this.closed;
    this.#over.abort(state);
    await this.#device.close().catch(() => {}); // a device that is gone cannot be closed
    this.#closed.resolve();
  }
}

/** One native call within the time that is left. */
type Turn = <T>(call: (timeoutMs: number) => Promise<T>) => Promise<T>;

function turns(endpoint: UsbEndpoint, endMs: number, over: AbortSignal): Turn {
  return async (call) => {
    for (;;) {
      const leftMs = Math.min(endMs - performance.now(), NO_DEADLINE_MS);
      const short = endpoint.type === "interrupt" && endpoint.direction === "in";
      const turnMs = Math.max(Math.ceil(short ? Math.min(leftMs, INTERRUPT_TURN_MS) : leftMs), 1);
      try {
        return await call(turnMs);
      } catch (error) {
        const idle = short && classifyNodeUsb(error) === "timeout";
        if (!idle || over.aborted || performance.now() >= endMs) throw error;
      }
    }
  };
}

function webSetup(setup: Setup): WebUsbSetup {
  const types = ["standard", "class", "vendor", "vendor"] as const;
  const recipients = ["device", "interface", "endpoint", "other"] as const;
  return {
    requestType: types[(setup.requestType >> 5) & 3]!,
    recipient: recipients[Math.min(setup.requestType & 0x1f, 3)]!,
    request: setup.request,
    value: setup.value,
    index: setup.index,
  };
}

function bytesOf(data: DataView | undefined): Uint8Array {
  if (data === undefined) return new Uint8Array(0);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function failure(action: string, state: string): FastboopError {
  return new FastboopError({ kind: "lost", action, state });
}
