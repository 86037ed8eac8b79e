/**
 * The configuration a kernel was built with, from the kernel itself (CONFIG_IKCONFIG): a gzip stream
 * between `IKCFG_ST` and `IKCFG_ED`, in a vmlinux, an uncompressed Image or configs.ko.
 *
 * Source: kernel/configs.c; scripts/extract-ikconfig.
 */
import { Buffer } from "node:buffer";
import { gunzipSync } from "node:zlib";
import { FastboopError } from "../errors/errors.ts";

/** allyesconfig is 0.5 MiB, and 0.1 MiB compressed. */
const MAX_CONFIG_BYTES = 16 << 20;
const MAX_STREAM_BYTES = 4 << 20;
const START = "IKCFG_ST";
const END = "IKCFG_ED";
const GZIP = Buffer.from([0x1f, 0x8b, 8]);

/**
 * Text of the configuration, or undefined when the uncompressed kernel holds none.
 *
 * @throws {FastboopError} `corrupt` when the stream is broken, `limit` when it is larger than 16 MiB.
 */
export function extractIkconfig(kernel: Uint8Array, what: string): string | undefined {
  const image = Buffer.from(kernel.buffer, kernel.byteOffset, kernel.byteLength);
  const start = image.indexOf(Buffer.concat([Buffer.from(START), GZIP]));
  if (start < 0) return undefined;
  const at = start + START.length;
  const window = image.subarray(at, at + MAX_STREAM_BYTES);
  const end = window.indexOf(END);
  const fail = (kind: "corrupt" | "limit", state: string, cause?: unknown): never => {
    throw new FastboopError({ kind, action: `Read the configuration in ${what}`, state, cause });
  };
  if (end < 0) fail("corrupt", `${START} is there, ${END} is not: it is cut short`);
  try {
    const text = gunzipSync(window.subarray(0, end), { maxOutputLength: MAX_CONFIG_BYTES });
    return new TextDecoder().decode(text);
  } catch (cause) {
    if ((cause as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") {
      return fail("limit", `it is larger than ${MAX_CONFIG_BYTES} bytes`, cause);
    }
    return fail("corrupt", "its gzip stream is broken", cause);
  }
}
