/**
 * What a gadget sees of its USB controller: a handler for control requests and transfers on its own
 * endpoints. A phone written against it works over memory as well as over anything else that carries
 * packets.
 */
import type { Setup } from "../../lib/usb/link.ts";

/** Answer of a control request: bytes (none for OUT), a stall, or silence (the host's deadline). */
export type ControlReply = Uint8Array | "stall" | "silence";

/** `data` for an OUT request; an IN request has a length only. */
export type ControlHandler = (setup: Setup, lengthBytes: number, data?: Uint8Array) => ControlReply;

export interface GadgetPort {
  /** Settles when the cable is out. */
  readonly closed: Promise<void>;
  onControl(handler: ControlHandler): void;
  /** IN: settles when the host has taken all of it. Rejects when the cable is out. */
  send(endpoint: number, data: Uint8Array): Promise<void>;
  /** OUT: fills `into`, less when a short packet ends it; tells how many bytes came. */
  receive(endpoint: number, into: Uint8Array): Promise<number>;
}
