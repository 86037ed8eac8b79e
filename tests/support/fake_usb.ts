/**
 * A scripted UsbLink and UsbBus in memory, for code that speaks to a phone through the contract.
 *
 * The script is a function per pipe, so a fake can be a whole bootloader. Faults are injected by transfer
 * number: every control, IN and OUT call counts, the first being 0.
 */
import { cancelled, FastboopError } from "../../lib/errors/errors.ts";
import type {
  Setup,
  TransferOptions,
  UsbBus,
  UsbDevice,
  UsbInfo,
  UsbInterface,
  UsbLink,
} from "../../lib/usb/link.ts";

/** Endpoint addresses of `fastbootInterface`. */
export const FASTBOOT_IN = 0x81;
export const FASTBOOT_OUT = 0x02;

export interface FakeScript {
  transferOut?: (endpoint: number, data: Uint8Array) => void | Promise<void>;
  /** Undefined: stays silent until stopped or unplugged. */
  transferIn?: (
    endpoint: number,
    lengthBytes: number,
  ) => Uint8Array | undefined | Promise<Uint8Array | undefined>;
  controlIn?: (setup: Setup, lengthBytes: number) => Uint8Array;
  controlOut?: (setup: Setup, data: Uint8Array) => void;
  /** Pulls the cable when this transfer is made. */
  unplugAt?: number;
  /** Stalls this transfer. */
  stallAt?: number;
}

/** A phone's interface that follows a script. */
export class FakeUsbLink implements UsbLink {
  readonly info: UsbInfo;
  readonly claimed: UsbInterface;
  readonly #script: FakeScript;
  readonly #closed = Promise.withResolvers<void>();
  readonly #gone = new AbortController();
  /** Transfers made so far. */
  transfers = 0;
  disposed = false;

  constructor(script: FakeScript = {}, info: Partial<UsbInfo> = {}, claimed?: UsbInterface) {
    this.#script = script;
    this.info = { vendorId: 0x18d1, productId: 0xd00d, path: "1-1", ...info };
    this.claimed = claimed ?? fastbootInterface();
  }

  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  unplug(): void {
    this.#gone.abort();
    this.#closed.resolve();
  }

  controlIn(setup: Setup, lengthBytes: number, options?: TransferOptions): Promise<Uint8Array> {
    return this.#transfer("control", options, () => this.#script.controlIn?.(setup, lengthBytes));
  }

  async controlOut(setup: Setup, data: Uint8Array, options?: TransferOptions): Promise<void> {
    await this.#transfer("control", options, () => {
      this.#script.controlOut?.(setup, data);
      return true;
    });
  }

  transferIn(
    endpoint: number,
    lengthBytes: number,
    options?: TransferOptions,
  ): Promise<Uint8Array> {
    return this.#transfer("data", options, () => this.#script.transferIn?.(endpoint, lengthBytes));
  }

  async transferOut(endpoint: number, data: Uint8Array, options?: TransferOptions): Promise<void> {
    await this.#transfer("data", options, async () => {
      await this.#script.transferOut?.(endpoint, data.slice());
      return true;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.disposed = true;
    this.unplug();
    return Promise.resolve();
  }

  /** Runs one transfer; `undefined` from the script means silence. A failed data transfer ends all. */
  async #transfer<T>(
    sort: "control" | "data",
    options: TransferOptions | undefined,
    work: () => T | undefined | Promise<T | undefined>,
  ): Promise<T> {
    const action = "Move data over the made-up USB";
    const number = this.transfers++;
    try {
      if (number === this.#script.unplugAt) this.unplug();
      if (this.#gone.signal.aborted) throw lost(action, "the device was unplugged");
      if (options?.signal?.aborted) throw cancelled(action, options.signal);
      if (number === this.#script.stallAt) {
        throw new FastboopError({
          kind: "refused",
          action,
          state: "the device refused it (stall)",
        });
      }
      return await work() ?? await this.#silence(action, options);
    } catch (error) {
      if (sort === "data") this.unplug();
      throw error;
    }
  }

  async #silence(action: string, options: TransferOptions | undefined): Promise<never> {
    const { promise, reject } = Promise.withResolvers<never>();
    const onStop = () => reject(cancelled(action, options?.signal));
    const onGone = () => reject(lost(action, "the device was unplugged"));
    const timer = options?.timeoutMs === undefined
      ? undefined
      : setTimeout(() => reject(lost(action, "no answer")), options.timeoutMs);
    options?.signal?.addEventListener("abort", onStop);
    this.#gone.signal.addEventListener("abort", onGone);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      options?.signal?.removeEventListener("abort", onStop);
      this.#gone.signal.removeEventListener("abort", onGone);
    }
  }
}

/** A bus whose every listing is computed. */
export class FakeUsbBus implements UsbBus {
  lists = 0;
  emptyBecause: string | undefined;
  readonly #devices: (round: number) => UsbDevice[];

  constructor(devices: (round: number) => UsbDevice[]) {
    this.#devices = devices;
  }

  // deno-lint-ignore require-await
  async list(): Promise<UsbDevice[]> {
    return this.#devices(this.lists++);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** A device that opens as `link` when its interface matches, or fails with `error`. */
export function fakeDevice(
  link: FakeUsbLink,
  error?: () => FastboopError | undefined,
): UsbDevice & { opens: number } {
  const { vendorId, productId, path } = link.info;
  return {
    info: { vendorId, productId, path },
    opens: 0,
    // deno-lint-ignore require-await
    async open(match) {
      this.opens++;
      const failure = error?.();
      if (failure !== undefined) throw failure;
      return match(link.claimed) ? link : undefined;
    },
  };
}

/** A bootloader's interface. */
export function fastbootInterface(maxPacketBytes = 512): UsbInterface {
  return {
    number: 0,
    alternate: 0,
    classCode: 0xff,
    subclassCode: 0x42,
    protocolCode: 0x03,
    endpoints: [
      { address: FASTBOOT_IN, type: "bulk", direction: "in", maxPacketBytes },
      { address: FASTBOOT_OUT, type: "bulk", direction: "out", maxPacketBytes },
    ],
  };
}

function lost(action: string, state: string): FastboopError {
  return new FastboopError({ kind: "lost", action, state });
}
