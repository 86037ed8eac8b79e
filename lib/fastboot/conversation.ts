/**
 * One command at a time over a bootloader's two bulk pipes: a command goes out, replies come in, data may
 * go out in between. Every wait has an end, and a failure says who is to blame.
 *
 * Two gates keep the phone safe: a command leaves only through `encodeCommand`'s allow-list, and data
 * leaves only after a DATA reply to a download, no more of it than that reply named.
 */
import { alignUp } from "../bytes/align.ts";
import { FastboopError } from "../errors/errors.ts";
import { underDeadline } from "../usb/deadline.ts";
import type { UsbEndpoint, UsbLink } from "../usb/link.ts";
import { encodeCommand } from "./command.ts";
import { type FinalReply, MAX_REPLY_BYTES, parseReply } from "./reply.ts";

/** How long a bootloader may take, and how much it may talk. */
export interface FastbootLimits {
  /** A `getvar`, lines included. */
  getvarMs: number;
  /** Any other command, lines included, data excepted. */
  commandMs: number;
  /** Between two replies, and for one piece of a download. */
  silenceMs: number;
  /** INFO and TEXT lines of one command. */
  lines: number;
}

export interface ConversationOptions {
  /** A line the bootloader prints, without line end, safe to show. */
  onInfo?: ((line: string) => void) | undefined;
  signal?: AbortSignal | undefined;
  limits: FastbootLimits;
}

const CABLE_HINT = "Try another USB port, a shorter cable or a USB-2 hub.";

/** The wire to a bootloader. Errors: `refused`, `device`, `lost` once `boot` was sent, `cancelled`. */
export class Conversation {
  readonly #link: UsbLink;
  readonly #options: ConversationOptions;
  readonly #in: UsbEndpoint;
  readonly #out: UsbEndpoint;
  #bootSent = false;
  #dataBytesAllowed = 0;

  constructor(link: UsbLink, options: ConversationOptions) {
    this.#link = link;
    this.#options = options;
    this.#in = bulkEndpoint(link, "in");
    this.#out = bulkEndpoint(link, "out");
  }

  /** Sends a command and waits for the reply that ends it or opens its data phase. */
  async ask(command: string, timeoutMs: number): Promise<FinalReply> {
    const endMs = performance.now() + timeoutMs;
    await this.#send(command, endMs);
    return await this.#reply(command, endMs);
  }

  /** Waits for the reply after a data phase. */
  async reply(command: string, timeoutMs: number): Promise<FinalReply> {
    return await this.#reply(command, performance.now() + timeoutMs);
  }

  /** Sends data that a DATA reply asked for. */
  async sendData(piece: Uint8Array, action: string): Promise<void> {
    if (piece.length > this.#dataBytesAllowed) {
      const state = `${piece.length} bytes, but the bootloader waits for ${this.#dataBytesAllowed}`;
      throw new FastboopError({ kind: "internal", action, state });
    }
    this.#dataBytesAllowed -= piece.length;
    await this.#limited(
      action,
      Infinity,
      (signal) => this.#link.transferOut(this.#out.address, piece, { signal }),
    );
  }

  /** The only place where a command leaves. */
  async #send(command: string, endMs: number): Promise<void> {
    const bytes = encodeCommand(command);
    this.#dataBytesAllowed = 0;
    await this.#limited(
      `Send fastboot command "${command}"`,
      endMs,
      (signal) => this.#link.transferOut(this.#out.address, bytes, { signal }),
    );
    if (command === "boot") this.#bootSent = true;
  }

  async #reply(command: string, endMs: number): Promise<FinalReply> {
    const action = `Wait for the bootloader's reply to "${command}"`;
    // Whole packets: a buffer that ends inside a packet is an overrun for the host's controller.
    const lengthBytes = alignUp(MAX_REPLY_BYTES, Math.max(this.#in.maxPacketBytes, 1));
    for (let line = 0; line <= this.#options.limits.lines; line++) {
      const bytes = await this.#limited(
        action,
        endMs,
        (signal) => this.#link.transferIn(this.#in.address, lengthBytes, { signal }),
      );
      if (bytes.length === 0) continue; // a zero-length packet is no reply
      const reply = parseReply(bytes, command);
      if (reply.status === "line") {
        this.#options.onInfo?.(reply.text);
        continue;
      }
      if (reply.status === "data" && command.startsWith("download:")) {
        this.#dataBytesAllowed = reply.sizeBytes;
      }
      return reply;
    }
    const state = `it sent more than ${this.#options.limits.lines} lines and no end`;
    throw new FastboopError({ kind: "refused", action, state });
  }

  /** One transfer, within the silence limit and until `endMs`. */
  async #limited<T>(
    action: string,
    endMs: number,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { silenceMs } = this.#options.limits;
    const timeoutMs = Math.max(Math.min(silenceMs, endMs - performance.now()), 0);
    const expired = () =>
      new FastboopError({
        kind: "refused",
        action,
        state: timeoutMs === silenceMs
          ? `the bootloader was silent for ${silenceMs / 1000} s`
          : "the bootloader did not finish in time",
        hint: CABLE_HINT,
      });
    try {
      const { signal } = this.#options;
      return await underDeadline({ action, timeoutMs, expired, signal }, work);
    } catch (error) {
      if (!(error instanceof FastboopError) || error.kind !== "lost") throw error;
      throw this.#unplugged(action, error);
    }
  }

  #unplugged(action: string, cause: FastboopError): FastboopError {
    const { state } = cause;
    if (this.#bootSent) {
      const hint = "It may be booting all the same: watch its screen or console.";
      return new FastboopError({ kind: "lost", action, state, hint, cause });
    }
    const hint = `Nothing was changed on the phone. ${CABLE_HINT}`;
    return new FastboopError({ kind: "device", action, state, hint, cause });
  }
}

function bulkEndpoint(link: UsbLink, direction: "in" | "out"): UsbEndpoint {
  const found = link.claimed.endpoints.find((e) => e.type === "bulk" && e.direction === direction);
  if (found !== undefined) return found;
  throw new FastboopError({
    kind: "internal",
    action: "Speak fastboot",
    state: `the interface has no bulk ${direction} endpoint`,
  });
}
