/**
 * One claimed interface of a device behind USB/IP, as a UsbLink.
 *
 * Data above 1 MiB is split at multiples of the packet size: the kernel's server allocates one buffer per
 * URB and bigger ones gain nothing. The parts of an IN transfer go one after another, since a short
 * packet ends the transfer and a part already posted would swallow the next transfer's data; parts of an
 * OUT transfer follow each other with a few in flight.
 */
import { FastboopError } from "../../errors/errors.ts";
import type { EndpointDescriptor, InterfaceDescriptor } from "../descriptors.ts";
import { EndpointOrder } from "../endpoint_order.ts";
import type { Setup, TransferInOptions, TransferOptions, UsbInfo, UsbLink } from "../link.ts";
import { awaitUrb } from "./await_urb.ts";
import { controlIn, controlOut } from "./control.ts";
import type { UrbChannel, UrbRequest } from "./urb_channel.ts";

const PART_BYTES = 1024 * 1024;
const PARTS_IN_FLIGHT = 3;
/** enum usb_device_speed (include/uapi/linux/usb/ch9.h): up to full speed, intervals count frames. */
const SPEED_FULL = 2;

/** A claimed interface of an imported device. */
export class UsbIpLink implements UsbLink {
  readonly info: UsbInfo;
  readonly claimed: InterfaceDescriptor;
  readonly #channel: UrbChannel;
  readonly #speed: number;
  readonly #order = new EndpointOrder();

  constructor(
    channel: UrbChannel,
    device: { info: UsbInfo; claimed: InterfaceDescriptor; speed: number },
  ) {
    this.#channel = channel;
    this.info = device.info;
    this.claimed = device.claimed;
    this.#speed = device.speed;
  }

  get closed(): Promise<void> {
    return this.#channel.closed;
  }

  async controlIn(
    setup: Setup,
    lengthBytes: number,
    options?: TransferOptions,
  ): Promise<Uint8Array> {
    return await controlIn(this.#channel, setup, lengthBytes, options);
  }

  async controlOut(setup: Setup, data: Uint8Array, options?: TransferOptions): Promise<void> {
    await controlOut(this.#channel, setup, data, options);
  }

  async transferIn(
    endpoint: number,
    lengthBytes: number,
    options?: TransferInOptions,
  ): Promise<Uint8Array> {
    const found = this.#endpoint(endpoint, "in");
    const into = options?.into?.subarray(0, lengthBytes) ?? new Uint8Array(lengthBytes);
    if (into.length < lengthBytes) throw misuse(`the buffer has ${into.length} bytes`);
    const split = lengthBytes > PART_BYTES;
    const got = await this.#order.run(endpoint, split, () => this.#readParts(found, into, options));
    return into.subarray(0, got);
  }

  async transferOut(endpoint: number, data: Uint8Array, options?: TransferOptions): Promise<void> {
    const found = this.#endpoint(endpoint, "out");
    const split = data.length > PART_BYTES;
    await this.#order.run(endpoint, split, () => this.#writeParts(found, data, options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel.close("the link was closed");
  }

  async #readParts(
    endpoint: EndpointDescriptor,
    into: Uint8Array,
    options: TransferOptions | undefined,
  ): Promise<number> {
    const partBytes = partSize(endpoint);
    const limits = partLimits(options);
    let got = 0;
    do {
      const part = into.subarray(got, got + partBytes);
      const count = await awaitUrb(this.#channel, this.#request(endpoint, part), limits());
      got += count;
      if (count < part.length) break;
    } while (got < into.length);
    return got;
  }

  async #writeParts(
    endpoint: EndpointDescriptor,
    data: Uint8Array,
    options: TransferOptions | undefined,
  ): Promise<void> {
    const partBytes = partSize(endpoint);
    const limits = partLimits(options);
    const inFlight: Promise<number>[] = [];
    let at = 0;
    do {
      if (inFlight.length === PARTS_IN_FLIGHT) await inFlight.shift();
      const request = this.#request(endpoint, data.subarray(at, at + partBytes));
      const part = awaitUrb(this.#channel, request, limits());
      part.catch(() => {}); // the first failure is awaited below; it ends the others too
      inFlight.push(part);
      at += partBytes;
    } while (at < data.length);
    for (const part of inFlight) await part;
  }

  #request(endpoint: EndpointDescriptor, data: Uint8Array): UrbRequest {
    const direction = endpoint.direction;
    return {
      action: direction === "in" ? "Read from the phone over USB" : "Write to the phone over USB",
      direction,
      endpoint: endpoint.address & 0x0f,
      interval: intervalOf(endpoint, this.#speed),
      data,
    };
  }

  #endpoint(address: number, direction: "in" | "out"): EndpointDescriptor {
    const found = this.claimed.endpoints.find((e) => e.address === address);
    if (found?.direction === direction) return found;
    throw misuse(`the interface has no ${direction} endpoint 0x${address.toString(16)}`);
  }
}

/** The caller's limits for each next part: one deadline over all of them. */
function partLimits(options: TransferOptions | undefined): () => TransferOptions | undefined {
  const timeoutMs = options?.timeoutMs;
  if (timeoutMs === undefined) return () => options;
  const endMs = performance.now() + timeoutMs;
  return () => ({ signal: options?.signal, timeoutMs: Math.max(endMs - performance.now(), 1) });
}

/** The largest multiple of the packet size up to 1 MiB. */
function partSize(endpoint: EndpointDescriptor): number {
  const packet = Math.max(endpoint.maxPacketBytes, 1);
  return PART_BYTES - (PART_BYTES % packet);
}

/**
 * Polling interval of an interrupt endpoint, in frames or microframes, never 0: the kernel's server
 * answers 0 by dropping the connection. From high speed on, bInterval is an exponent (USB 2.0 9.6.6).
 */
function intervalOf(endpoint: EndpointDescriptor, speed: number): number {
  if (endpoint.type !== "interrupt") return 0;
  if (speed <= SPEED_FULL) return Math.max(endpoint.intervalCode, 1);
  return 1 << Math.min(Math.max(endpoint.intervalCode - 1, 0), 15);
}

function misuse(state: string): FastboopError {
  return new FastboopError({ kind: "internal", action: "Use the USB link", state });
}
