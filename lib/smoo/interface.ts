/**
 * Which USB interface is a smoo gadget, and which endpoint is which pipe.
 *
 * Endpoint numbers are whatever the phone's controller handed out, so pipes are known by type and
 * direction alone. The names follow the host: data the phone reads travels on bulk OUT.
 *
 * Source: smoo, docs/PROTOCOL.md ("USB identity").
 */
import type { UsbEndpoint, UsbInterface } from "../usb/link.ts";

/** Endpoint addresses, direction bit included. */
export interface SmooPipes {
  /** Requests, phone to host. */
  readonly requestIn: number;
  /** Length to ask of the request pipe: one whole packet, so that a longer message is seen. */
  readonly requestInBytes: number;
  /** Responses, host to phone. */
  readonly responseOut: number;
  /** Payload of writes, phone to host. */
  readonly payloadIn: number;
  /** Payload of reads, host to phone. */
  readonly payloadOut: number;
}

/** Class triples: a plain gadget's, "S" "M"; and fastboot's, worn by a gadget that impersonates it. */
const TRIPLES = [[0xff, 0x53, 0x4d], [0xff, 0x42, 0x03]] as const;

/** True for a gadget; a real fastboot interface has no interrupt endpoints and is not one. */
export function isSmooInterface(candidate: UsbInterface): boolean {
  const known = TRIPLES.some(([classCode, subclassCode, protocolCode]) =>
    candidate.classCode === classCode && candidate.subclassCode === subclassCode &&
    candidate.protocolCode === protocolCode
  );
  return known && findSmooPipes(candidate) !== undefined;
}

/** The first endpoint of each kind; undefined when one is missing. */
export function findSmooPipes(candidate: UsbInterface): SmooPipes | undefined {
  const find = (type: UsbEndpoint["type"], direction: UsbEndpoint["direction"]) =>
    candidate.endpoints.find((one) => one.type === type && one.direction === direction);
  const requestIn = find("interrupt", "in");
  const responseOut = find("interrupt", "out");
  const payloadIn = find("bulk", "in");
  const payloadOut = find("bulk", "out");
  if (!requestIn || !responseOut || !payloadIn || !payloadOut) return undefined;
  // Bits 11 and 12 of wMaxPacketSize are not part of the size. A packet smaller than a Request
  // cannot end its transfer early, so then the length has to be exact.
  const packetBytes = requestIn.maxPacketBytes & 0x7ff;
  return {
    requestIn: requestIn.address,
    requestInBytes: packetBytes >= 28 ? packetBytes : packetBytes === 0 ? 64 : 28,
    responseOut: responseOut.address,
    payloadIn: payloadIn.address,
    payloadOut: payloadOut.address,
  };
}
