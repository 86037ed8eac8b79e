/**
 * A USB/IP server as a bus: phones plugged into another machine, or a virtual one.
 *
 * The client runs in user space: no kernel module, no privileges, only a TCP connection. USB/IP knows no
 * authentication and no encryption, and the server sees everything: use it on this machine or through a
 * tunnel. Protocol: linux/Documentation/usb/usbip_protocol.rst, version 1.1.1.
 */
import { FastboopError } from "../../errors/errors.ts";
import { underDeadline } from "../deadline.ts";
import type {
  TransferOptions,
  UsbBus,
  UsbDevice,
  UsbInfo,
  UsbInterface,
  UsbLink,
} from "../link.ts";
import { formatUsbIpAddress, parseUsbIpAddress, type UsbIpAddress } from "./address.ts";
import type { ByteStream, OpenStream } from "./byte_stream.ts";
import { claimInterface } from "./claim_interface.ts";
import { connectionFault, connectTcp } from "./connect.ts";
import { readDeviceList } from "./device_list.ts";
import { importDevice } from "./import_device.ts";
import type { DeviceRecord } from "./op_wire.ts";
import { UrbChannel } from "./urb_channel.ts";
import { UsbIpLink } from "./usbip_link.ts";

/** A listing that takes longer counts as "not there yet": forwarders accept before their target does. */
const LIST_TIMEOUT_MS = 3000;
/** Import with its back-off, descriptors, configuration. */
const OPEN_TIMEOUT_MS = 15_000;

/** Devices of one USB/IP server; with a bus id in the address, that one device. */
export class UsbIpBus implements UsbBus {
  readonly address: UsbIpAddress;
  readonly #connect: OpenStream;
  readonly #links = new Set<UsbLink>();
  #emptyBecause: string | undefined;

  /** @throws {FastboopError} `usage` for an address that is none. */
  constructor(address: string | UsbIpAddress, connect: OpenStream = connectTcp) {
    this.address = typeof address === "string" ? parseUsbIpAddress(address) : address;
    this.#connect = connect;
  }

  get emptyBecause(): string | undefined {
    return this.#emptyBecause;
  }

  /**
   * What the server exports now; empty when it is not there (yet).
   *
   * @throws {FastboopError} `corrupt` and `limit` (no USB/IP answer), `permission`, `device` (unknown
   * host name), `cancelled`.
   */
  async list(options?: TransferOptions): Promise<UsbDevice[]> {
    const action = `List the devices of ${formatUsbIpAddress(this.address)}`;
    this.#emptyBecause = undefined;
    const records = await this.#readList(action, options);
    const busId = this.address.busId;
    const wanted = busId === undefined ? records : records.filter((r) => r.busId === busId);
    if (wanted.length === 0) {
      this.#emptyBecause ??= busId === undefined || records.length === 0
        ? "the server exports no device"
        : `the server exports ${records.length} devices, but not ${busId}`;
    }
    return wanted.map((record) => this.#device(record));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#links].map((link) => link[Symbol.asyncDispose]()));
  }

  async #readList(action: string, options: TransferOptions | undefined): Promise<DeviceRecord[]> {
    const late = new FastboopError({ kind: "lost", action, state: "no answer" });
    const limits = {
      action,
      timeoutMs: options?.timeoutMs ?? LIST_TIMEOUT_MS,
      expired: () => late,
      signal: options?.signal,
    };
    try {
      const records = await underDeadline(limits, async (signal) => {
        const stream = await this.#connect(this.address.hostname, this.address.port, signal);
        const close = () => stream.close();
        signal.addEventListener("abort", close);
        try {
          if (signal.aborted) throw signal.reason;
          return await readDeviceList(stream, action);
        } finally {
          stream.close();
        }
      });
      if (records === undefined) this.#emptyBecause = "the server ended the connection";
      return records ?? [];
    } catch (error) {
      if (error === late) {
        this.#emptyBecause = `no answer within ${limits.timeoutMs} ms`;
        return [];
      }
      if (error instanceof FastboopError) throw error;
      this.#emptyBecause = this.#explain(action, error);
      return [];
    }
  }

  #device(record: DeviceRecord): UsbDevice {
    const path = formatUsbIpAddress({ ...this.address, busId: record.busId });
    const info = { vendorId: record.vendorId, productId: record.productId, path };
    return { info, open: (match, options) => this.#open(record.busId, info, match, options) };
  }

  async #open(
    busId: string,
    info: UsbInfo,
    match: (candidate: UsbInterface) => boolean,
    options: TransferOptions | undefined,
  ): Promise<UsbLink | undefined> {
    const action = `Open ${info.path}`;
    const timeoutMs = options?.timeoutMs ?? OPEN_TIMEOUT_MS;
    const expired = () =>
      new FastboopError({ kind: "lost", action, state: `not done within ${timeoutMs} ms` });
    return await underDeadline(
      { action, timeoutMs, expired, signal: options?.signal },
      async (signal) => {
        const connect = () => this.#dial(action, signal);
        const imported = await this.#translated(
          action,
          () => importDevice(busId, connect, { action, signal }),
        );
        const { stream, record } = imported;
        const deviceId = ((record.busNumber << 16) | record.deviceNumber) >>> 0;
        const channel = new UrbChannel(stream, deviceId, (e) => connectionFault(e).text);
        try {
          const claim = await claimInterface(channel, match, signal);
          if (claim !== undefined) return this.#link(channel, record, info, claim);
          await channel.close("no interface matches");
          return undefined;
        } catch (error) {
          await channel.close("opening failed");
          throw error;
        }
      },
    );
  }

  #link(
    channel: UrbChannel,
    record: DeviceRecord,
    info: UsbInfo,
    claim: NonNullable<Awaited<ReturnType<typeof claimInterface>>>,
  ): UsbLink {
    const { vendorId, productId } = claim.device;
    const serial = claim.serial === undefined ? {} : { serial: claim.serial };
    const link = new UsbIpLink(channel, {
      info: { vendorId, productId, path: info.path, ...serial },
      claimed: claim.claimed,
      speed: record.speed,
    });
    this.#links.add(link);
    void channel.closed.then(() => this.#links.delete(link));
    return link;
  }

  #dial(action: string, signal: AbortSignal): Promise<ByteStream> {
    return this.#translated(
      action,
      () => this.#connect(this.address.hostname, this.address.port, signal),
    );
  }

  async #translated<T>(action: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof FastboopError) throw error;
      throw new FastboopError({
        kind: "lost",
        action,
        state: this.#explain(action, error),
        cause: error,
      });
    }
  }

  /** Words for "nobody there"; throws what waiting cannot cure. */
  #explain(action: string, error: unknown): string {
    const fault = connectionFault(error);
    if (fault.kind === "silent") return fault.text;
    const place = `${this.address.hostname}:${this.address.port}`;
    if (fault.kind === "permission") {
      const hint = `Allow it with --allow-net=${place}.`;
      throw new FastboopError({
        kind: "permission",
        action,
        state: fault.text,
        hint,
        cause: error,
      });
    }
    const hint = "Check the address after --usb.";
    throw new FastboopError({ kind: "device", action, state: fault.text, hint, cause: error });
  }
}
