import { cancelled } from "../errors/errors.ts";
import { openOutputFile } from "../sources/output_file.ts";

const PIECE_CHARACTERS = 32 << 10;

/** Lines on standard output, many of them with one write. */
export class LineOutput {
  readonly #output = openOutputFile("-");
  readonly #encoder = new TextEncoder();
  readonly #signal: AbortSignal;
  #text = "";

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  async line(text: string): Promise<void> {
    this.#text += `${text}\n`;
    if (this.#text.length > PIECE_CHARACTERS) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#signal.aborted) throw cancelled("List the image", this.#signal);
    const text = this.#text;
    this.#text = "";
    await this.#output.write(this.#encoder.encode(text));
  }
}
