/**
 * A bootloader's side of fastboot as a state machine without a cable: commands and data go in, replies
 * come out. Fakes put it behind a UsbLink, a USB/IP device or a TCP socket.
 */

export interface BootloaderTraits {
  variables?: Record<string, string>;
  /** Unknown variables: FAIL (new) or an empty OKAY (old). */
  unknownVariable?: "fail" | "okay";
  /** Replies to a command instead of the usual ones; undefined: the usual ones. */
  override?: (command: string) => string[] | undefined;
}

/** Everything that came in, and the replies that wait to be read. */
export class FakeBootloader {
  readonly commands: string[] = [];
  readonly replies: (string | Uint8Array)[] = [];
  /** The buffer in RAM, filled by a download. */
  image: Uint8Array | undefined;
  /** Sizes of the data transfers of the last download. */
  pieces: number[] = [];
  booted = false;
  readonly #traits: BootloaderTraits;
  #expected = 0;
  #data: Uint8Array[] = [];

  constructor(traits: BootloaderTraits = {}) {
    this.#traits = traits;
  }

  /** Takes one transfer from the host: data while a download is open, else a command. */
  receive(bytes: Uint8Array): void {
    if (this.#expected > 0) return this.#receiveData(bytes);
    const command = new TextDecoder().decode(bytes);
    this.commands.push(command);
    const other = this.#traits.override?.(command);
    if (other !== undefined) {
      this.replies.push(...other);
      const opened = other.find((reply) => reply.startsWith("DATA"));
      if (opened !== undefined) this.#open(parseInt(opened.slice(4), 16));
      return;
    }
    this.#perform(command);
  }

  /** The next reply, in bytes; undefined when there is none. */
  next(): Uint8Array | undefined {
    const reply = this.replies.shift();
    return typeof reply === "string" ? new TextEncoder().encode(reply) : reply;
  }

  #perform(command: string): void {
    if (command.startsWith("getvar:")) {
      const name = command.slice(7);
      const value = this.#traits.variables?.[name];
      if (value !== undefined) this.replies.push(`OKAY${value}`);
      else if (this.#traits.unknownVariable === "okay") this.replies.push("OKAY");
      else this.replies.push("FAILunknown variable");
      return;
    }
    if (command.startsWith("download:")) {
      this.#open(parseInt(command.slice(9), 16));
      this.replies.push(`DATA${this.#expected.toString(16).padStart(8, "0")}`);
      return;
    }
    if (command === "boot" && this.image !== undefined) {
      this.booted = true;
      this.replies.push("INFOhanding over", "OKAY");
      return;
    }
    this.replies.push("FAILunknown command");
  }

  #open(sizeBytes: number): void {
    this.#expected = sizeBytes;
    this.#data = [];
    this.pieces = [];
  }

  #receiveData(bytes: Uint8Array): void {
    this.pieces.push(bytes.length);
    this.#data.push(bytes);
    this.#expected -= bytes.length;
    if (this.#expected > 0) return;
    const whole = new Uint8Array(this.pieces.reduce((sum, size) => sum + size, 0));
    let at = 0;
    for (const piece of this.#data) {
      whole.set(piece, at);
      at += piece.length;
    }
    this.image = whole;
    this.replies.push(this.#expected < 0 ? "FAILtoo much data" : "OKAY");
  }
}
