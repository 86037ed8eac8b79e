import { FastboopError } from "../errors/errors.ts";

/**
 * Regroups parts of any size into pieces of exactly `pieceBytes`, the last one shorter.
 *
 * A download must not contain short packets before its end: older bootloaders take one for the end of
 * the data. A part that covers whole pieces is passed on without a copy.
 *
 * @throws {FastboopError} `internal` as soon as the parts are known not to sum up to `totalBytes`; no
 * byte beyond the total is ever yielded.
 */
export async function* pieces(
  parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  totalBytes: number,
  pieceBytes: number,
): AsyncGenerator<Uint8Array> {
  let gathered: Uint8Array | undefined;
  let used = 0;
  let seenBytes = 0;
  for await (let part of parts) {
    seenBytes += part.length;
    if (seenBytes > totalBytes) throw wrongSum(`more than ${totalBytes}`, totalBytes);
    while (part.length > 0) {
      if (used === 0 && part.length >= pieceBytes) {
        yield part.subarray(0, pieceBytes);
        part = part.subarray(pieceBytes);
        continue;
      }
      gathered ??= new Uint8Array(pieceBytes);
      const some = part.subarray(0, pieceBytes - used);
      gathered.set(some, used);
      used += some.length;
      part = part.subarray(some.length);
      if (used < pieceBytes) break;
      yield gathered;
      gathered = undefined;
      used = 0;
    }
  }
  if (seenBytes < totalBytes) throw wrongSum(`${seenBytes}`, totalBytes);
  if (gathered !== undefined && used > 0) yield gathered.subarray(0, used);
}

function wrongSum(got: string, totalBytes: number): FastboopError {
  return new FastboopError({
    kind: "internal",
    action: "Send the boot image",
    state: `its parts have ${got} bytes, not ${totalBytes} as announced`,
  });
}
