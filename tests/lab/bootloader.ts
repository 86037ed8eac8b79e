/**
 * A phone in its bootloader: a fastboot device with the USB/IP protocol around it. It keeps a record of
 * everything that it was told, and can be told to misbehave.
 *
 * Sources: AOSP fastboot/README.md for the protocol; USB 2.0 chapter 9 for the requests.
 */
import { concat } from "../../lib/bytes/concat.ts";
import { BootloaderDescriptors } from "./bootloader_descriptors.ts";
import {
  answerOperation,
  ConnectionReader,
  ECONNRESET,
  encodeReturn,
  encodeUnlinkReturn,
  EOVERFLOW,
  EPIPE,
  type ExportedDevice,
  readRequest,
  type Urb,
  writeAll,
} from "./usbip_server.ts";

/** What a real one gets wrong. */
export interface BootloaderFaults {
  /** Bytes to answer a command with in place of the right reply; `silence` answers nothing. */
  replyTo?: (command: string) => Uint8Array | string | "silence" | undefined;
  /** Added to the size that DATA announces. */
  dataSizeDelta?: number;
  /** INFO lines sent before every final reply. */
  infoLines?: number;
  /** The cable falls out when this many bytes of a download have arrived. */
  disconnectAtByte?: number;
  /** Answers OKAY to `boot` and stays where it is. */
  staysAfterBoot?: boolean;
}

export interface BootloaderOptions {
  vendorId: number;
  productId: number;
  /** iSerialNumber. */
  serial: string;
  /** What getvar knows; anything else is answered with FAIL. */
  variables: Record<string, string>;
  maxDownloadBytes: number;
  faults?: BootloaderFaults;
  /** Called with each thing as it goes over the wire. */
  onEntry?: (entry: WireEntry) => void;
}

/** One thing that went over the wire. */
export interface WireEntry {
  kind: "command" | "data" | "reply";
  /** The command or reply; for data, how many bytes. */
  text: string;
}

/** Says why an image cannot be booted; undefined when it can. */
export type BootDecision = (image: Uint8Array) => string | undefined;

const encoder = new TextEncoder();

export class Bootloader {
  /** Everything received and answered since the phone was made. */
  readonly wire: WireEntry[] = [];
  faults: BootloaderFaults;
  readonly #options: BootloaderOptions;
  readonly #decide: BootDecision;
  readonly #booted: (image: Uint8Array) => void;
  readonly #descriptors: BootloaderDescriptors;
  #connection: Deno.Conn | undefined;
  #reads: Urb[] = [];
  #replies: Uint8Array[] = [];
  #expectedBytes = 0;
  #receivedBytes = 0;
  #pieces: Uint8Array[] = [];
  #image: Uint8Array | undefined;
  #isLeaving = false;

  /** @param booted called when OKAY has reached the host and the phone leaves the bus. */
  constructor(options: BootloaderOptions, decide: BootDecision, booted: (i: Uint8Array) => void) {
    this.#options = options;
    this.#decide = decide;
    this.#booted = booted;
    this.faults = options.faults ?? {};
    this.#descriptors = new BootloaderDescriptors(options);
  }

  get device(): ExportedDevice {
    const { vendorId, productId } = this.#options;
    const where = { busid: "1-1", busNumber: 1, deviceNumber: 2, speed: 3, bcdDevice: 0x0100 };
    return { ...where, vendorId, productId, interfaces: [[0xff, 0x42, 0x03]] };
  }

  /** Speaks USB/IP on one connection until it ends. */
  async serve(connection: Deno.Conn): Promise<void> {
    const reader = new ConnectionReader(connection);
    if (!await answerOperation(connection, reader, this.device, this.#connection !== undefined)) {
      return;
    }
    this.#connection = connection;
    this.#reads = [];
    this.#replies = [];
    this.#expectedBytes = 0;
    try {
      for (;;) {
        const request = await readRequest(reader);
        if (!request || !await this.#answer(request)) return;
      }
    } finally {
      this.#connection = undefined;
    }
  }

  async #answer(request: { urb: Urb } | { unlink: number; sequence: number }): Promise<boolean> {
    if ("unlink" in request) {
      const isPending = this.#reads.some((read) => read.sequence === request.unlink);
      this.#reads = this.#reads.filter((read) => read.sequence !== request.unlink);
      return await this.#send(encodeUnlinkReturn(request.sequence, isPending ? ECONNRESET : 0));
    }
    const { urb } = request;
    if (urb.endpoint === 0) return await this.#send(this.#control(urb));
    if (urb.endpoint !== 1) return await this.#send(encodeReturn(urb.sequence, EPIPE, 0));
    if (urb.isIn) {
      this.#reads.push(urb);
      return await this.#flush();
    }
    if (this.#expectedBytes > 0) {
      if (!this.#takeData(urb.data)) return false;
    } else {
      this.#takeCommand(new TextDecoder().decode(urb.data));
    }
    const isAlive = await this.#send(encodeReturn(urb.sequence, 0, urb.lengthBytes));
    return isAlive && await this.#flush();
  }

  #control(urb: Urb): Uint8Array {
    const answer = this.#descriptors.answer(urb.setup);
    if (answer === undefined) return encodeReturn(urb.sequence, EPIPE, 0);
    const data = urb.isIn ? answer.subarray(0, urb.lengthBytes) : new Uint8Array();
    return encodeReturn(urb.sequence, 0, urb.isIn ? data.length : urb.lengthBytes, data);
  }

  /** False when the cable falls out. */
  #takeData(data: Uint8Array): boolean {
    const limit = this.faults.disconnectAtByte ?? Infinity;
    this.#receivedBytes += data.length;
    if (this.#receivedBytes >= limit) return false;
    this.#note({ kind: "data", text: String(data.length) });
    this.#pieces.push(data);
    if (this.#receivedBytes < this.#expectedBytes) return true;
    const isExact = this.#receivedBytes === this.#expectedBytes;
    this.#expectedBytes = 0;
    this.#image = concat(this.#pieces);
    this.#pieces = [];
    this.#reply(isExact ? "OKAY" : "FAILmore data than announced");
    return true;
  }

  #takeCommand(command: string): void {
    this.#note({ kind: "command", text: command });
    const fault = this.faults.replyTo?.(command);
    if (fault === "silence") return;
    if (fault !== undefined) return this.#queue(fault);
    if (command.length > 64) return this.#reply("FAILcommand too long");
    if (command.startsWith("getvar:")) return this.#getvar(command.slice(7));
    if (command.startsWith("download:")) return this.#download(command.slice(9));
    if (command === "boot") return this.#boot();
    this.#reply("FAILunknown command");
  }

  #getvar(name: string): void {
    const { maxDownloadBytes, variables } = this.#options;
    const own = new Map(Object.entries(variables)).set(
      "max-download-size",
      `0x${maxDownloadBytes.toString(16)}`,
    );
    const value = own.get(name);
    this.#reply(value === undefined ? "FAILvariable not found" : `OKAY${value}`);
  }

  #download(size: string): void {
    const sizeBytes = parseInt(size, 16);
    if (!/^[0-9a-f]{8}$/.test(size) || sizeBytes === 0) return this.#reply("FAILbad size");
    if (sizeBytes > this.#options.maxDownloadBytes) return this.#reply("FAILdata too large");
    this.#expectedBytes = sizeBytes;
    this.#receivedBytes = 0;
    const announced = sizeBytes + (this.faults.dataSizeDelta ?? 0);
    this.#reply(`DATA${announced.toString(16).padStart(8, "0")}`);
  }

  #boot(): void {
    const reason = this.#image ? this.#decide(this.#image) : "no image";
    if (reason !== undefined) return this.#reply(`FAIL${reason}`.slice(0, 256));
    this.#isLeaving = !this.faults.staysAfterBoot;
    this.#reply("OKAY");
  }

  #reply(reply: string): void {
    for (let i = 0; i < (this.faults.infoLines ?? 0); i++) this.#queue(`INFOline ${i}`);
    this.#queue(reply);
  }

  #queue(reply: string | Uint8Array): void {
    const bytes = typeof reply === "string" ? encoder.encode(reply) : reply;
    this.#note({ kind: "reply", text: new TextDecoder().decode(bytes) });
    this.#replies.push(bytes);
  }

  /** Gives waiting replies to waiting reads, one each. False when the phone leaves. */
  async #flush(): Promise<boolean> {
    while (this.#reads.length > 0 && this.#replies.length > 0) {
      const read = this.#reads.shift()!;
      const reply = this.#replies.shift()!;
      const fits = reply.subarray(0, read.lengthBytes);
      const status = fits.length === reply.length ? 0 : EOVERFLOW;
      if (!await this.#send(encodeReturn(read.sequence, status, fits.length, fits))) return false;
    }
    if (!this.#isLeaving || this.#replies.length > 0) return true;
    this.#isLeaving = false;
    this.#booted(this.#image!);
    this.#image = undefined;
    return false;
  }

  #note(entry: WireEntry): void {
    this.wire.push(entry);
    this.#options.onEntry?.(entry);
  }

  async #send(bytes: Uint8Array): Promise<boolean> {
    return this.#connection !== undefined && await writeAll(this.#connection, bytes);
  }
}
