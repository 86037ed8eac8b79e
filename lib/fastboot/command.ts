/**
 * The allow-list: the only commands that may ever leave for a phone. None of them writes to its storage.
 *
 * `getvar:NAME` reads a variable, `download:SIZE` fills a buffer in the bootloader's RAM and `boot` runs
 * what is there (AOSP system/core, fastboot/README.md). Everything else is refused here, whoever asks.
 */
import { FastboopError } from "../errors/errors.ts";
import { printable } from "../bytes/printable.ts";

/** Bootloaders' own limit; the newer 4096 is not to be relied on. */
const MAX_COMMAND_BYTES = 64;

const ALLOWED = /^(?:getvar:[\x21-\x7e][\x20-\x7e]*|download:[0-9a-f]{8}|boot)$/;

/**
 * The bytes of an allowed command.
 *
 * @throws {FastboopError} `limit` above 64 bytes, `usage` for control characters, non-ASCII or a
 * command that is not on the list.
 */
export function encodeCommand(command: string): Uint8Array<ArrayBuffer> {
  const action = `Send fastboot command "${printable(command.slice(0, 80))}"`;
  if (command.length > MAX_COMMAND_BYTES) {
    const state = `it has ${command.length} bytes, more than ${MAX_COMMAND_BYTES}`;
    throw new FastboopError({ kind: "limit", action, state });
  }
  if (!ALLOWED.test(command)) {
    throw new FastboopError({
      kind: "usage",
      action,
      state: "only getvar, download and boot are ever sent, in printable ASCII",
    });
  }
  return new TextEncoder().encode(command);
}
