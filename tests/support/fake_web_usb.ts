/**
 * npm:usb's shape with a made-up device behind it. Like the real addon it takes one transfer per endpoint
 * at a time, ends a transfer after its timeout with "Cancelled" (1000 ms when none is given), cannot take
 * one back, and rejects with texts. The texts are those of node-usb-rs 3.1.0 and nusb 0.2.
 */
import type { WebUsb, WebUsbConfiguration, WebUsbDevice } from "../../lib/usb/web_usb.ts";

export interface FakeWebUsbScript {
  /** Text an operation fails with, by its name: `open`, `claimInterface`, `transferIn`. */
  failures?: Record<string, string>;
  /** IN data, one item per transfer; an empty list leaves transfers waiting. */
  incoming?: Uint8Array<ArrayBuffer>[];
  /** Timeouts expire after this time at most: tests need not wait for whole turns. */
  hurryMs?: number;
  /** Called when a transfer's timeout has expired. */
  onExpiry?: () => void;
  serial?: string | null;
  /** Active configuration; undefined: not configured, the getter throws as the addon's does. */
  active?: number;
  bus?: string;
  ports?: number[];
  configurations?: WebUsbConfiguration[];
}

/** A device and a record of the calls it got. */
export class FakeWebUsbDevice implements WebUsbDevice {
  readonly vendorId = 0x18d1;
  readonly productId = 0xd00d;
  readonly bus: string;
  readonly address = 7;
  readonly ports: number[];
  readonly calls: string[] = [];
  readonly sent: Uint8Array[] = [];
  readonly timeouts: (number | undefined)[] = [];
  readonly script: FakeWebUsbScript;
  readonly #running = new Set<string>();
  /** Ends the transfers that wait, with this text. */
  #waiting = new Set<(text: string) => void>();

  constructor(script: FakeWebUsbScript = {}) {
    this.script = script;
    this.bus = script.bus ?? "001";
    this.ports = script.ports ?? [2, 3];
  }

  get serialNumber(): string | null {
    const serial = this.script.serial;
    if (serial === undefined) throw new Error("getString error: endpoint stalled");
    return serial;
  }

  get configuration(): WebUsbConfiguration {
    const active = this.configurations.find((c) => c.configurationValue === this.script.active);
    if (active === undefined) throw new Error("configuration error: device is not configured");
    return active;
  }

  get configurations(): WebUsbConfiguration[] {
    return this.script.configurations ??
      [{ configurationValue: 1, interfaces: [plainInterface()] }];
  }

  unplug(): void {
    for (const end of [...this.#waiting]) end("Disconnected");
    for (const name of ["transferIn", "transferOut"]) {
      this.script.failures = { ...this.script.failures, [name]: "Disconnected" };
    }
  }

  open(): Promise<void> {
    return this.#call("open");
  }

  close(): Promise<void> {
    return this.#call("close");
  }

  selectConfiguration(value: number): Promise<void> {
    return this.#call("selectConfiguration", value);
  }

  claimInterface(number: number): Promise<void> {
    return this.#call("claimInterface", number);
  }

  selectAlternateInterface(number: number, alternate: number): Promise<void> {
    return this.#call("selectAlternateInterface", number, alternate);
  }

  async controlTransferIn(
    setup: unknown,
    length: number,
    timeoutMs = 1000,
  ): Promise<{ data?: DataView }> {
    this.timeouts.push(timeoutMs);
    await this.#call("controlTransferIn", JSON.stringify(setup), length);
    const data = this.script.incoming?.shift();
    if (data === undefined) {
      return await this.#wait("controlTransferIn", timeoutMs, "transfer was cancelled");
    }
    return { data: new DataView(data.buffer) };
  }

  async controlTransferOut(
    setup: unknown,
    data: Uint8Array,
    timeoutMs = 1000,
  ): Promise<{ bytesWritten: number }> {
    this.timeouts.push(timeoutMs);
    await this.#call("controlTransferOut", JSON.stringify(setup), data.length);
    return { bytesWritten: data.length };
  }

  async transferIn(
    endpoint: number,
    length: number,
    timeoutMs = 1000,
  ): Promise<{ data?: DataView }> {
    return await this.#exclusively("transferIn", endpoint, timeoutMs, async () => {
      await this.#call("transferIn", endpoint, length);
      const data = this.script.incoming?.shift();
      if (data === undefined) return await this.#wait("transferIn", timeoutMs, "Cancelled");
      return { data: new DataView(data.slice(0, length).buffer) };
    });
  }

  async transferOut(
    endpoint: number,
    data: Uint8Array,
    timeoutMs = 1000,
  ): Promise<{ bytesWritten: number }> {
    return await this.#exclusively("transferOut", endpoint, timeoutMs, async () => {
      await this.#call("transferOut", endpoint, data.length);
      this.sent.push(data.slice());
      return { bytesWritten: data.length };
    });
  }

  async #exclusively<T>(
    name: string,
    endpoint: number,
    timeoutMs: number,
    work: () => Promise<T>,
  ): Promise<T> {
    this.timeouts.push(timeoutMs);
    const key = `${name}:${endpoint}`;
    if (this.#running.has(key)) throw new Error(`${name} error: endpoint not found`);
    this.#running.add(key);
    try {
      return await work();
    } finally {
      this.#running.delete(key);
    }
  }

  async #call(name: string, ...details: (number | string)[]): Promise<void> {
    this.calls.push([name, ...details].join(" "));
    await Promise.resolve();
    const text = this.script.failures?.[name];
    if (text !== undefined) throw new Error(`${name} error: ${text}`);
  }

  async #wait(name: string, timeoutMs: number, expiryText: string): Promise<never> {
    const { promise, reject } = Promise.withResolvers<never>();
    const end = (text: string) => reject(new Error(`${name} error: ${text}`));
    const expire = () => {
      this.script.onExpiry?.();
      end(expiryText);
    };
    const timer = setTimeout(expire, Math.min(timeoutMs, this.script.hurryMs ?? timeoutMs));
    this.#waiting.add(end);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(end);
    }
  }
}

/** A bus with these devices, or one whose listing fails. */
export function fakeWebUsb(devices: FakeWebUsbDevice[], failure?: string): WebUsb {
  return {
    getDevices: () =>
      failure === undefined
        ? Promise.resolve(devices)
        : Promise.reject(new Error(`getDevices error: ${failure}`)),
  };
}

/** ff/42/03 with bulk and interrupt pipes; the numbers 1 and 2 are used in both directions. */
export function plainInterface(): WebUsbConfiguration["interfaces"][number] {
  const endpoint = (endpointNumber: number, direction: string, type: string) => ({
    endpointNumber,
    direction,
    type,
    packetSize: 512,
  });
  return {
    interfaceNumber: 3,
    alternates: [{
      alternateSetting: 0,
      interfaceClass: 0xff,
      interfaceSubclass: 0x42,
      interfaceProtocol: 0x03,
      endpoints: [
        endpoint(1, "in", "bulk"),
        endpoint(1, "out", "bulk"),
        endpoint(2, "in", "interrupt"),
        endpoint(2, "out", "interrupt"),
      ],
    }],
  };
}
