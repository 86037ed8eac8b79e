import { FastboopError } from "../../errors/errors.ts";
import type { CpioEntry } from "./entry.ts";
import {
  type CpioOptions,
  HEADER_ROOM_BYTES,
  paddingBytes,
  putHeader,
  putTrailer,
} from "./header.ts";
import { orderEntries } from "./order_entries.ts";

/**
 * A whole newc archive in memory, as parts to be joined; data is referred to, not copied.
 *
 * Parents are added and the order is fixed (orderEntries), so the same entries give the same bytes. The
 * length is a multiple of 4: another archive may follow.
 *
 * @throws {FastboopError} `usage`, `limit` or `unsupported` for what the kernel would drop silently.
 */
export function encodeCpio(
  entries: readonly CpioEntry[],
  options: CpioOptions = {},
): Uint8Array<ArrayBufferLike>[] {
  const parts: Uint8Array[] = [];
  const scratch = new Uint8Array(HEADER_ROOM_BYTES);
  for (const entry of orderEntries(entries)) {
    if (entry.source !== undefined) {
      throw new FastboopError({
        kind: "internal",
        action: `Add "${entry.path}" to the cpio archive`,
        state: "its data is not in memory",
      });
    }
    parts.push(scratch.slice(0, putHeader(scratch, 0, entry, options)));
    if (entry.data === undefined || entry.data.length === 0) continue;
    parts.push(entry.data);
    const padding = paddingBytes(entry.data.length);
    if (padding > 0) parts.push(new Uint8Array(padding));
  }
  parts.push(scratch.slice(0, putTrailer(scratch, 0)));
  return parts;
}
