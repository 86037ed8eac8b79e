/**
 * A USB/IP server on loopback whose devices are scripted: the protocol for real, the devices made up.
 *
 * It is as strict as the kernel's stub driver where that punishes clients: a wrong device id, an
 * interrupt URB with interval 0 and a buffer above 4 MiB drop the connection; after a detach the device
 * can be busy for some imports; SET_ADDRESS is refused; an unlinked transfer gets no RET_SUBMIT.
 * Written from linux/Documentation/usb/usbip_protocol.rst, independently of lib/usb/usbip's codecs.
 */
import type { DescriptorSet } from "./usb_descriptors.ts";

/** Data, or a negative errno as status. */
export type Outcome = Uint8Array | number;

export interface ScriptedDevice {
  busId: string;
  busNumber: number;
  deviceNumber: number;
  /** 2 full, 3 high, 5 super. */
  speed: number;
  descriptors: DescriptorSet;
  /** Answers control requests that are not standard ones; default: stall. */
  control?: (setup: DataView, data: Uint8Array) => Promise<Outcome> | Outcome;
  /** Takes OUT data; returns 0 or a status, or how much it took as an array of that length. */
  transferOut?: (endpoint: number, data: Uint8Array) => Promise<Outcome> | Outcome;
  /** Gives IN data of at most `lengthBytes`, or a status; one call per URB, in order. */
  transferIn?: (endpoint: number, lengthBytes: number) => Promise<Outcome> | Outcome;
  /** Statuses the next imports are refused with. */
  refusals?: number[];
}

/** What one submitted URB looked like. */
export interface SeenUrb {
  seqnum: number;
  direction: number;
  endpoint: number;
  lengthBytes: number;
  interval: number;
  flags: number;
}

const STALL = -32;

/** The server; `devices` may change while it runs. */
export class UsbIpServer implements AsyncDisposable {
  readonly devices: ScriptedDevice[];
  /** Every URB, in order of arrival. */
  readonly urbs: SeenUrb[] = [];
  /** Sequence numbers that were unlinked. */
  readonly unlinked: number[] = [];
  imports = 0;
  /** Replaces the handling of a connection: for servers that misbehave. */
  raw: ((conn: Deno.TcpConn, opcode: number) => Promise<void>) | undefined;
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Set<Deno.TcpConn>();
  readonly #tasks = new Set<Promise<void>>();

  constructor(devices: ScriptedDevice[] = []) {
    this.devices = devices;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#track(this.#accept());
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  get address(): string {
    return `usbip://127.0.0.1:${this.port}`;
  }

  /** Cuts every connection, as unplugging does; the listener stays. */
  cut(): void {
    for (const conn of [...this.#connections]) this.#drop(conn);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await Promise.allSettled([...this.#tasks]);
  }

  #track(task: Promise<void>): void {
    const quiet = task.catch(() => {}).finally(() => this.#tasks.delete(quiet));
    this.#tasks.add(quiet);
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) {
      conn.setNoDelay(true);
      this.#connections.add(conn);
      this.#track(this.#serve(conn).finally(() => this.#drop(conn)));
    }
  }

  #drop(conn: Deno.TcpConn): void {
    if (!this.#connections.delete(conn)) return;
    conn.close();
  }

  async #serve(conn: Deno.TcpConn): Promise<void> {
    const head = await readBytes(conn, 8);
    if (head === undefined) return;
    const opcode = view(head).getUint16(2);
    if (this.raw !== undefined) return await this.raw(conn, opcode);
    if (opcode === 0x8005) return await writeBytes(conn, this.#deviceList());
    if (opcode !== 0x8003) return;
    const busId = text(await readBytes(conn, 32) ?? new Uint8Array(1));
    const device = this.devices.find((one) => one.busId === busId);
    const status = device === undefined ? 4 : device.refusals?.shift() ?? 0;
    const reply = new Uint8Array(8);
    reply.set([0x01, 0x11, 0x00, 0x03]);
    view(reply).setUint32(4, status);
    await writeBytes(conn, reply);
    if (device === undefined || status !== 0) return;
    this.imports++;
    await writeBytes(conn, record(device));
    await new UrbSession(this, conn, device).run();
  }

  #deviceList(): Uint8Array {
    const head = Uint8Array.of(0x01, 0x11, 0x00, 0x05, 0, 0, 0, 0, 0, 0, 0, this.devices.length);
    return join([head, ...this.devices.map(record)]);
  }
}

/** One import: reads URBs, runs each endpoint's transfers in order, answers. */
class UrbSession {
  readonly #server: UsbIpServer;
  readonly #conn: Deno.TcpConn;
  readonly #device: ScriptedDevice;
  readonly #chains = new Map<string, Promise<void>>();
  /** URBs without an answer yet; calling one's function frees its endpoint for the next. */
  readonly #live = new Map<number, () => void>();
  #sending: Promise<void> = Promise.resolve();

  constructor(server: UsbIpServer, conn: Deno.TcpConn, device: ScriptedDevice) {
    this.#server = server;
    this.#conn = conn;
    this.#device = device;
  }

  async run(): Promise<void> {
    try {
      await this.#takeAll();
    } finally {
      this.#live.clear(); // what still waits for its turn must not reach the device's next session
    }
  }

  async #takeAll(): Promise<void> {
    for (;;) {
      const head = await readBytes(this.#conn, 48);
      if (head === undefined) return;
      const v = view(head);
      const id = this.#device.busNumber * 65536 + this.#device.deviceNumber;
      if (v.getUint32(8) !== id) return; // the stub: "recv invalid request"
      if (v.getUint32(0) === 2) {
        this.#unlink(v.getUint32(4), v.getUint32(20));
        continue;
      }
      if (v.getUint32(0) !== 1 || !await this.#submit(v, head)) return;
    }
  }

  async #submit(v: DataView, head: Uint8Array): Promise<boolean> {
    const urb: SeenUrb = {
      seqnum: v.getUint32(4),
      direction: v.getUint32(12),
      endpoint: v.getUint32(16),
      flags: v.getUint32(20),
      lengthBytes: v.getUint32(24),
      interval: v.getUint32(36),
    };
    this.#server.urbs.push(urb);
    if (urb.lengthBytes > 4 * 1024 * 1024) return false;
    if (this.#isInterrupt(urb) && urb.interval === 0) return false;
    const data = urb.direction === 0 ? await readBytes(this.#conn, urb.lengthBytes) : undefined;
    if (urb.direction === 0 && data === undefined) return false;
    const unlinked = Promise.withResolvers<Outcome>();
    this.#live.set(urb.seqnum, () => unlinked.resolve(-104));
    const key = urb.endpoint === 0 ? "0" : `${urb.direction}:${urb.endpoint}`;
    const before = this.#chains.get(key) ?? Promise.resolve();
    const setup = head.slice(40, 48);
    const next = before.then(async () => {
      if (!this.#live.has(urb.seqnum)) return; // unlinked while it waited
      const performed = this.#perform(urb, setup, data ?? new Uint8Array(0));
      const outcome = await Promise.race([performed, unlinked.promise]);
      if (this.#live.delete(urb.seqnum)) this.#answer(urb, outcome);
    });
    this.#chains.set(key, next.catch(() => {}));
    return true;
  }

  #isInterrupt(urb: SeenUrb): boolean {
    const bytes = this.#device.descriptors.configuration;
    const address = urb.endpoint | (urb.direction === 1 ? 0x80 : 0);
    for (let at = 0; at < bytes.length; at += bytes[at]!) {
      if (bytes[at + 1] === 5 && bytes[at + 2] === address) return (bytes[at + 3]! & 3) === 3;
    }
    return false;
  }

  async #perform(urb: SeenUrb, setup: Uint8Array, data: Uint8Array): Promise<Outcome> {
    const device = this.#device;
    if (urb.endpoint === 0) {
      const outcome = standardRequest(device, view(setup)) ??
        await device.control?.(view(setup), data) ?? STALL;
      if (typeof outcome === "number" || urb.direction === 0) return outcome;
      return outcome.subarray(0, Math.min(urb.lengthBytes, view(setup).getUint16(6, true)));
    }
    if (urb.direction === 0) return await device.transferOut?.(urb.endpoint, data) ?? STALL;
    return await device.transferIn?.(urb.endpoint, urb.lengthBytes) ?? STALL;
  }

  #answer(urb: SeenUrb, outcome: Outcome): void {
    const reply = new Uint8Array(48);
    const v = view(reply);
    v.setUint32(0, 3);
    v.setUint32(4, urb.seqnum);
    v.setInt32(20, typeof outcome === "number" ? outcome : 0);
    const moved = typeof outcome !== "number"
      ? outcome.length
      : outcome === 0 && urb.direction === 0
      ? urb.lengthBytes
      : 0;
    v.setUint32(24, moved);
    const payload = urb.direction === 1 && typeof outcome !== "number" ? [outcome] : [];
    this.#send(join([reply, ...payload]));
  }

  #unlink(seqnum: number, victim: number): void {
    this.#server.unlinked.push(victim);
    const reply = new Uint8Array(48);
    view(reply).setUint32(0, 4);
    view(reply).setUint32(4, seqnum);
    const free = this.#live.get(victim);
    this.#live.delete(victim);
    free?.();
    view(reply).setInt32(20, free === undefined ? 0 : -104);
    this.#send(reply);
  }

  #send(bytes: Uint8Array): void {
    this.#sending = this.#sending.then(() => writeBytes(this.#conn, bytes)).catch(() => {});
  }
}

/** The standard requests every device knows; undefined for others. */
function standardRequest(device: ScriptedDevice, setup: DataView): Outcome | undefined {
  const type = setup.getUint8(0);
  const request = setup.getUint8(1);
  if ((type & 0x60) !== 0) return undefined;
  if (request === 9 || request === 11) return 0; // SET_CONFIGURATION, SET_INTERFACE
  if (request !== 6) return STALL;
  const { descriptors } = device;
  const kind = setup.getUint8(3);
  const index = setup.getUint8(2);
  if (kind === 1) return descriptors.device;
  if (kind === 2) return index === 0 ? descriptors.configuration : STALL;
  if (kind === 3) return descriptors.strings[index] ?? STALL;
  return STALL;
}

function record(device: ScriptedDevice): Uint8Array {
  const bytes = new Uint8Array(312);
  const v = view(bytes);
  const encoder = new TextEncoder();
  encoder.encodeInto(`/sys/devices/${device.busId}`, bytes.subarray(0, 255));
  encoder.encodeInto(device.busId, bytes.subarray(256, 287));
  v.setUint32(288, device.busNumber);
  v.setUint32(292, device.deviceNumber);
  v.setUint32(296, device.speed);
  v.setUint16(300, view(device.descriptors.device).getUint16(8, true));
  v.setUint16(302, view(device.descriptors.device).getUint16(10, true));
  bytes[310] = 1; // one configuration; a device bound to the stub shows no interfaces
  return bytes;
}

async function readBytes(conn: Deno.TcpConn, count: number): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(count);
  for (let got = 0; got < count;) {
    const some = await conn.read(bytes.subarray(got));
    if (some === null) return undefined;
    got += some;
  }
  return bytes;
}

/** Writes all bytes to a connection; exported for scripts of `raw` servers. */
export async function writeBytes(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function join(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function text(field: Uint8Array): string {
  const end = field.indexOf(0);
  return new TextDecoder().decode(field.subarray(0, end < 0 ? field.length : end));
}
