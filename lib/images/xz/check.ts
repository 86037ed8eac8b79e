/** The checks of the .xz format: what stands behind each block. Source: xz-file-format 1.2.1, 2.1.1.2. */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { brokenXz } from "./broken_xz.ts";
import { crc64 } from "./crc64.ts";

/** Check by its number in the stream flags: bytes of it. */
const SIZES: Readonly<Record<number, number>> = { 0: 0, 1: 4, 4: 8, 10: 32 };

/** Bytes behind a block; undefined for a number that is not known. */
export function checkSize(check: number): number | undefined {
  return SIZES[check];
}

/** Computes a check piece by piece. */
export interface XzCheck {
  update(bytes: Uint8Array): void;
  /** @throws {FastboopError} `corrupt` when `stored` is another value. */
  compare(stored: Uint8Array): void;
}

/** @throws {FastboopError} `unsupported` for a number that is not known. */
export function newXzCheck(check: number): XzCheck {
  switch (check) {
    case 0:
      return { update() {}, compare() {} };
    case 1: {
      let sum = 0;
      return {
        update: (bytes) => sum = crc32(bytes, sum),
        compare: (stored) => equal(viewOf(stored).getUint32(0, true) === sum),
      };
    }
    case 4: {
      let sum = 0n;
      return {
        update: (bytes) => sum = crc64(bytes, sum),
        compare: (stored) => equal(viewOf(stored).getBigUint64(0, true) === sum),
      };
    }
    case 10: {
      const hash = createHash("sha256");
      return {
        update: (bytes) => hash.update(bytes),
        compare: (stored) => {
          const digest = hash.digest();
          equal(digest.every((byte, i) => byte === stored[i]));
        },
      };
    }
  }
  throw brokenXz(`it has check ${check}`, "unsupported");
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function equal(isEqual: boolean): void {
  if (!isEqual) throw brokenXz("a checksum does not match");
}
