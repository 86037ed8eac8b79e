import { FastboopError } from "../errors/errors.ts";
import { damaged } from "./damaged.ts";
import { NAME_LIMIT_BYTES } from "./limits.ts";

const lossy = new TextDecoder("utf-8", { ignoreBOM: true });
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A directory entry's name from an image: one component that cannot leave its directory.
 *
 * @throws {FastboopError} `corrupt` for a name no kernel accepts, `unsupported` when it is not UTF-8.
 */
export function decodeName(action: string, bytes: Uint8Array): string {
  if (bytes.length === 0 || bytes.length > NAME_LIMIT_BYTES) {
    throw damaged(action, `a name has ${bytes.length} bytes, must have 1 to ${NAME_LIMIT_BYTES}`);
  }
  if (bytes.includes(0x2f) || bytes.includes(0)) {
    throw damaged(action, "a name contains a slash or NUL");
  }
  return decodeText(action, "a name", bytes);
}

/**
 * Text of an image that must be UTF-8, such as the target of a link.
 *
 * @throws {FastboopError} `unsupported` when it is not.
 */
export function decodeText(action: string, what: string, bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new FastboopError({
      kind: "unsupported",
      action,
      state: `${what} is not valid UTF-8`,
      cause,
    });
  }
}

/**
 * Many names at once: the text of `bytes` up to a NUL when it is ASCII without a slash, so that parts of
 * the text are parts of the bytes; else the empty text, and each name is for `decodeName`.
 */
export function plainText(bytes: Uint8Array): string {
  const nul = bytes.indexOf(0);
  const used = nul < 0 ? bytes : bytes.subarray(0, nul);
  if (used.includes(0x2f)) return "";
  const text = lossy.decode(used);
  return text.length === used.length && !text.includes("\ufffd") ? text : "";
}
