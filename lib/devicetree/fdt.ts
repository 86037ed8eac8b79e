/** A device tree in memory: what parse_fdt.ts makes of a flattened one. */

/** One node. Property values are the bytes of the blob, not copies. */
export interface FdtNode {
  /** With its unit address: `usb@a600000`; "" for the root. */
  readonly name: string;
  /** `/soc@0/usb@a6f8800/usb@a600000`; "/" for the root. */
  readonly path: string;
  readonly parent: FdtNode | undefined;
  /** In the blob's order. */
  readonly properties: ReadonlyMap<string, Uint8Array>;
  /** In the blob's order. */
  readonly children: readonly FdtNode[];
}

/** A range of memory no operating system may use, from the header's reservation map. */
export interface FdtReservation {
  readonly address: bigint;
  readonly sizeBytes: bigint;
}

export interface Fdt {
  readonly root: FdtNode;
  /** All nodes, parents before their children, in the blob's order. */
  readonly nodes: readonly FdtNode[];
  readonly byPhandle: ReadonlyMap<number, FdtNode>;
  readonly reservations: readonly FdtReservation[];
  /** Format version of the blob, 16 or later. */
  readonly version: number;
  readonly bootCpuId: number;
}
