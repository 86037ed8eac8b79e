/**
 * Whether an uncompressed kernel image has a driver for a `compatible` string.
 *
 * Before Linux 6.18 nothing lists the device tree names of built-in drivers, but their tables are in the
 * image: `struct of_device_id { char name[32]; char type[32]; char compatible[128]; }`, unused parts zero
 * (include/linux/mod_devicetable.h). A string that is there for another reason has no such surroundings.
 */
import { Buffer } from "node:buffer";

const TYPE_BYTES = 32;
const COMPATIBLE_BYTES = 128;

export class ImageDrivers {
  readonly #image: Buffer;
  readonly #known = new Map<string, boolean>();

  constructor(image: Uint8Array) {
    this.#image = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  }

  has(compatible: string): boolean {
    let known = this.#known.get(compatible);
    if (known === undefined) this.#known.set(compatible, known = this.#search(compatible));
    return known;
  }

  /** Looks for the string, which is quick, and then at what is around it. */
  #search(compatible: string): boolean {
    if (compatible === "" || compatible.length >= COMPATIBLE_BYTES) return false;
    const word = Buffer.from(`${compatible}\0`, "latin1");
    for (let at = this.#image.indexOf(word); at >= 0; at = this.#image.indexOf(word, at + 1)) {
      const before = this.#image.subarray(Math.max(0, at - TYPE_BYTES), at);
      const after = this.#image.subarray(at + compatible.length, at + COMPATIBLE_BYTES);
      if (before.length === TYPE_BYTES && [...before, ...after].every((b) => b === 0)) return true;
    }
    return false;
  }
}
