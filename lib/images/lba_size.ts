import { FastboopError } from "../errors/errors.ts";

/**
 * Checks the unit a partition table is told to count in.
 *
 * @throws {FastboopError} `usage` unless it is a power of two from 512 to 65536.
 */
export function checkLbaSize(lbaSizeBytes: number): void {
  if (lbaSizeBytes >= 512 && lbaSizeBytes <= 65_536 && Number.isInteger(Math.log2(lbaSizeBytes))) {
    return;
  }
  throw new FastboopError({
    kind: "usage",
    action: "Read a partition table",
    state: `its LBA size is said to be ${lbaSizeBytes} bytes`,
    hint: "Pass a power of two from 512 to 65536, or nothing",
  });
}
