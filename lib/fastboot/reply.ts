/**
 * A fastboot reply as bytes. Pure.
 *
 * Source: AOSP system/core, fastboot/README.md: four ASCII letters, then up to 252 bytes of text (60 in
 * older bootloaders). OKAY and FAIL end a command, DATA (8 hex digits) opens a data phase, INFO and
 * TEXT are lines for people and are followed by more replies.
 */
import { FastboopError } from "../errors/errors.ts";

export const MAX_REPLY_BYTES = 256;
const STATUS_BYTES = 4;

/** One reply. Text is printable ASCII; other bytes stand as `\xNN`, so it is safe to show. */
export type Reply = FinalReply | { status: "line"; text: string };

/** A reply that ends a command (`okay`, `fail`) or opens its data phase. */
export type FinalReply =
  | { status: "okay"; text: string }
  | { status: "fail"; text: string }
  | { status: "data"; sizeBytes: number };

/**
 * Reads a reply to `command`, which only words errors.
 *
 * @throws {FastboopError} `refused` when it is shorter than 4 or longer than 256 bytes, has an unknown
 * status, or a DATA without exactly 8 hex digits.
 */
export function parseReply(bytes: Uint8Array, command: string): Reply {
  if (bytes.length < STATUS_BYTES) throw garbage(command, bytes, `only ${bytes.length} bytes`);
  if (bytes.length > MAX_REPLY_BYTES) {
    throw garbage(command, bytes.subarray(0, 16), `${bytes.length} bytes starting`);
  }
  const status = asciiText(bytes.subarray(0, STATUS_BYTES));
  const text = asciiText(trimEnd(bytes.subarray(STATUS_BYTES)));
  if (status === "DATA") {
    if (!/^[0-9A-Fa-f]{8}$/.test(text)) throw garbage(command, bytes, "a DATA without a size");
    return { status: "data", sizeBytes: parseInt(text, 16) };
  }
  if (status === "OKAY") return { status: "okay", text };
  if (status === "FAIL") return { status: "fail", text };
  if (status === "INFO" || status === "TEXT") return { status: "line", text };
  throw garbage(command, bytes, "no fastboot reply");
}

/** Text ends at its NULs, and some bootloaders end their lines. */
function trimEnd(bytes: Uint8Array): Uint8Array {
  const nul = bytes.indexOf(0);
  let end = nul < 0 ? bytes.length : nul;
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end--;
  return bytes.subarray(0, end);
}

function asciiText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte < 0x7f;
    text += plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return text;
}

function garbage(command: string, bytes: Uint8Array, what: string): FastboopError {
  return new FastboopError({
    kind: "refused",
    action: `Read the bootloader's reply to "${command}"`,
    state: `${what}: "${asciiText(bytes.subarray(0, 64))}"`,
    hint: "Restart the bootloader and try again; another cable or a USB-2 port often helps.",
  });
}
