import { FastboopError } from "../errors/errors.ts";
import type { Reader } from "./reader.ts";

/**
 * Checks that a read lies inside its source.
 *
 * @throws {FastboopError} `limit` when it does not, or the offset is no safe integer.
 */
export function checkBounds(
  source: Pick<Reader, "identity" | "sizeBytes">,
  offsetBytes: number,
  lengthBytes: number,
): void {
  const { sizeBytes } = source;
  const inside = Number.isSafeInteger(offsetBytes) && offsetBytes >= 0 &&
    lengthBytes <= sizeBytes - offsetBytes;
  if (inside) return;
  throw new FastboopError({
    kind: "limit",
    action: `Read ${lengthBytes} bytes at offset ${offsetBytes} of ${source.identity}`,
    state: `it ends at ${sizeBytes}`,
  });
}
