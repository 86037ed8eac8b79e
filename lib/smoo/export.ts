/** One disk the phone will see. Position in the list is `/dev/ublkbN`; the order is a contract. */
import type { Reader } from "../sources/reader.ts";

export interface SmooExport {
  /** Non-zero, ascending in the list (an upstream gadget sorts by it): role order 1, 2, ... */
  readonly id: number;
  /** For people: "rootfs", "modules". */
  readonly name: string;
  readonly reader: Reader;
  /** Power of two, 512 to 4096; the size served is the reader's, padded with zeros to whole blocks. */
  readonly blockSizeBytes: number;
}
