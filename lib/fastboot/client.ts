/**
 * The fastboot client: asks a bootloader for variables, fills its RAM buffer, boots from there.
 *
 * It can do nothing else: every command passes the allow-list in command.ts. A reply that is no fastboot
 * reply, a flood of lines and silence end the client, since request and reply can no longer be told apart;
 * it then repeats the first error. Source: AOSP system/core, fastboot/README.md.
 */
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import type { UsbLink } from "../usb/link.ts";
import { Conversation, type FastbootLimits } from "./conversation.ts";
import { type DownloadSize, parseDownloadSize } from "./download_size.ts";
import { failHint } from "./fail_hint.ts";
import { pieces } from "./pieces.ts";

export interface FastbootOptions {
  /** A line the bootloader prints, without line end, safe to show. */
  onInfo?: ((line: string) => void) | undefined;
  /** Something about the bootloader that was guessed or looks wrong. */
  onWarning?: ((text: string) => void) | undefined;
  signal?: AbortSignal | undefined;
  limits?: Partial<FastbootLimits> | undefined;
}

export interface DownloadOptions {
  /** Called after each piece. */
  onProgress?: ((sentBytes: number, totalBytes: number) => void) | undefined;
}

/** What can be sent: its parts in order. */
export type DownloadParts = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

const LIMITS: FastbootLimits = {
  getvarMs: 30_000,
  commandMs: 600_000,
  silenceMs: 60_000,
  lines: 4096,
};
const PIECE_BYTES = 1024 * 1024;
const PIECES_IN_FLIGHT = 2;
const U32_MAX = 0xffff_ffff;

/**
 * A bootloader at the other end of `link`; one command at a time. The link stays the caller's.
 *
 * Errors: `refused` (FAIL, garbage, silence), `device` (unplugged before `boot` was sent), `lost`
 * (unplugged after that), `limit` (the image is too big), `cancelled`.
 */
export class FastbootClient {
  readonly #wire: Conversation;
  readonly #options: FastbootOptions;
  readonly #limits: FastbootLimits;
  #downloadSize: DownloadSize | undefined;
  #busy = false;
  #broken: unknown;

  constructor(link: UsbLink, options: FastbootOptions = {}) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    const { onInfo, signal } = options;
    this.#wire = new Conversation(link, { onInfo, signal, limits: this.#limits });
  }

  /** A variable's value; undefined when the bootloader has none (FAIL, empty or `unknown`). */
  async getvar(name: string): Promise<string | undefined> {
    const command = `getvar:${name}`;
    return await this.#alone(async () => {
      const reply = await this.#wire.ask(command, this.#limits.getvarMs);
      if (reply.status === "fail") return undefined;
      if (reply.status === "data") throw unexpected(command, "DATA");
      const value = reply.text.trim();
      return value === "" || value.toLowerCase() === "unknown" ? undefined : value;
    });
  }

  /** The most `download` takes, in bytes; undefined when the bootloader does not say. Asked once. */
  async maxDownloadSize(): Promise<number | undefined> {
    if (this.#downloadSize === undefined) {
      const text = await this.getvar("max-download-size");
      this.#downloadSize = text === undefined ? { sizeBytes: undefined } : parseDownloadSize(text);
      const { warning } = this.#downloadSize;
      if (warning !== undefined) this.#options.onWarning?.(warning);
    }
    return this.#downloadSize.sizeBytes;
  }

  /**
   * Sends `totalBytes` of `parts` into the bootloader's RAM buffer.
   *
   * Nothing is sent when the size is above the bootloader's or the protocol's limit (`limit`). Errors of
   * `parts` pass through; the bootloader then still waits for data and has to be restarted.
   */
  async download(
    parts: DownloadParts,
    totalBytes: number,
    options: DownloadOptions = {},
  ): Promise<void> {
    checkSize(totalBytes, U32_MAX, "a fastboot download has at most");
    const mostBytes = await this.maxDownloadSize();
    if (mostBytes !== undefined) checkSize(totalBytes, mostBytes, "this bootloader takes at most");
    const command = `download:${totalBytes.toString(16).padStart(8, "0")}`;
    await this.#alone(async () => {
      const opening = await this.#wire.ask(command, this.#limits.commandMs);
      if (opening.status === "fail") throw refusal(command, opening.text);
      if (opening.status === "okay") throw unexpected(command, "OKAY");
      if (opening.sizeBytes !== totalBytes) {
        throw unexpected(command, `DATA for ${opening.sizeBytes} bytes, not ${totalBytes}`);
      }
      await this.#sendParts(parts, totalBytes, options).catch((error) => {
        this.#broken = error; // whatever it is: the bootloader still waits for data
        throw error;
      });
      const closing = await this.#wire.reply(command, this.#limits.commandMs);
      if (closing.status === "fail") throw refusal(command, closing.text);
      if (closing.status === "data") throw unexpected(command, "DATA");
    });
  }

  /** Boots what was downloaded; returns when the bootloader has agreed. The client is then used up. */
  async boot(): Promise<void> {
    await this.#alone(async () => {
      const reply = await this.#wire.ask("boot", this.#limits.commandMs);
      if (reply.status === "fail") throw refusal("boot", reply.text);
      if (reply.status === "data") throw unexpected("boot", "DATA");
    });
    this.#broken = misuse("the bootloader has handed over already");
  }

  async #sendParts(
    parts: DownloadParts,
    totalBytes: number,
    options: DownloadOptions,
  ): Promise<void> {
    const inFlight: { done: Promise<void>; sizeBytes: number }[] = [];
    let sentBytes = 0;
    const finishOne = async () => {
      const { done, sizeBytes } = inFlight.shift()!;
      await done;
      sentBytes += sizeBytes;
      options.onProgress?.(sentBytes, totalBytes);
    };
    for await (const piece of pieces(parts, totalBytes, PIECE_BYTES)) {
      if (inFlight.length === PIECES_IN_FLIGHT) await finishOne();
      const action = `Send the boot image (${formatSize(sentBytes)} of ${formatSize(totalBytes)})`;
      const done = this.#wire.sendData(piece, action);
      done.catch(() => {}); // awaited in order; a failure ends the link, and the later ones with it
      inFlight.push({ done, sizeBytes: piece.length });
    }
    while (inFlight.length > 0) await finishOne();
  }

  /** Runs a command alone; an error that leaves the conversation undefined is remembered. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#broken !== undefined) throw this.#broken;
    if (this.#busy) throw misuse("a command is under way");
    this.#busy = true;
    try {
      return await work();
    } catch (error) {
      if (!leavesInStep(error)) this.#broken ??= error;
      throw error;
    } finally {
      this.#busy = false;
    }
  }
}

/** FAIL is an answer like any other: the bootloader then waits for the next command. */
class BootloaderRefusal extends FastboopError {}

function refusal(command: string, text: string): FastboopError {
  const hint = failHint(text);
  return new BootloaderRefusal({
    kind: "refused",
    action: `Run fastboot command "${command}"`,
    state: `the bootloader said FAIL: "${text}"`,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Whether the bootloader still waits for a command: after a FAIL, or when none was sent (`usage`). */
function leavesInStep(error: unknown): boolean {
  if (error instanceof BootloaderRefusal) return true;
  return error instanceof FastboopError && (error.kind === "usage" || error.kind === "limit");
}

function unexpected(command: string, got: string): FastboopError {
  return new FastboopError({
    kind: "refused",
    action: `Run fastboot command "${command}"`,
    state: `the bootloader answered ${got}`,
  });
}

function misuse(state: string): FastboopError {
  return new FastboopError({ kind: "internal", action: "Use the fastboot client", state });
}

function checkSize(totalBytes: number, mostBytes: number, who: string): void {
  if (Number.isSafeInteger(totalBytes) && totalBytes > 0 && totalBytes <= mostBytes) return;
  throw new FastboopError({
    kind: totalBytes > mostBytes ? "limit" : "internal",
    action: "Send the boot image",
    state: `it has ${totalBytes} bytes (${formatSize(totalBytes)}); ${who} ${mostBytes}`,
    hint: "Use fewer stage0 modules, or a smaller or better compressed kernel.",
  });
}
