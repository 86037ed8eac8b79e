/**
 * USB descriptors as bytes: device, configuration with its interfaces and endpoints, string. Pure.
 *
 * Source: USB 2.0 specification, chapter 9.6 (tables 9-8, 9-10, 9-12, 9-13, 9-16). The bytes come from
 * the device, so every length is checked; unknown descriptor types inside a configuration are skipped.
 */
import { FastboopError } from "../errors/errors.ts";
import type { UsbEndpoint, UsbInterface } from "./link.ts";

export const DEVICE_DESCRIPTOR_BYTES = 18;
export const CONFIGURATION_HEAD_BYTES = 9;
/** Larger configurations are refused: a phone's has some hundred bytes. */
const MAX_CONFIGURATION_BYTES = 16 * 1024;

export const TYPE_DEVICE = 1;
export const TYPE_CONFIGURATION = 2;
export const TYPE_STRING = 3;
const TYPE_INTERFACE = 4;
const TYPE_ENDPOINT = 5;

const ENDPOINT_TYPES = ["control", "isochronous", "bulk", "interrupt"] as const;

export interface DeviceDescriptor {
  vendorId: number;
  productId: number;
  /** String index of the serial number; 0: none. */
  serialIndex: number;
  configurationCount: number;
}

/** An endpoint with what a host needs to schedule it. */
export interface EndpointDescriptor extends UsbEndpoint {
  /** bInterval as it stands in the descriptor. */
  readonly intervalCode: number;
}

export interface InterfaceDescriptor extends UsbInterface {
  readonly endpoints: readonly EndpointDescriptor[];
}

export interface ConfigurationDescriptor {
  /** What SET_CONFIGURATION takes. */
  value: number;
  /** Every alternate setting of every interface, in order. */
  interfaces: InterfaceDescriptor[];
}

/** Reads a device descriptor. @throws {FastboopError} `corrupt`. */
export function parseDeviceDescriptor(bytes: Uint8Array): DeviceDescriptor {
  if (bytes.length < DEVICE_DESCRIPTOR_BYTES || bytes[1] !== TYPE_DEVICE) {
    throw corrupt("device", `${bytes.length} bytes of type ${bytes[1] ?? "none"}`);
  }
  return {
    vendorId: u16(bytes, 8),
    productId: u16(bytes, 10),
    serialIndex: bytes[16]!,
    configurationCount: bytes[17]!,
  };
}

/** wTotalLength of a configuration descriptor's first 9 bytes. @throws `corrupt`, `limit`. */
export function parseConfigurationSize(head: Uint8Array): number {
  if (head.length < CONFIGURATION_HEAD_BYTES || head[1] !== TYPE_CONFIGURATION) {
    throw corrupt("configuration", `${head.length} bytes of type ${head[1] ?? "none"}`);
  }
  const sizeBytes = u16(head, 2);
  if (sizeBytes < CONFIGURATION_HEAD_BYTES) throw corrupt("configuration", `size ${sizeBytes}`);
  if (sizeBytes > MAX_CONFIGURATION_BYTES) {
    throw new FastboopError({
      kind: "limit",
      action: "Read USB configuration descriptor",
      state: `it has ${sizeBytes} bytes, more than ${MAX_CONFIGURATION_BYTES}`,
    });
  }
  return sizeBytes;
}

/** Reads a whole configuration descriptor. @throws {FastboopError} `corrupt`, `limit`. */
export function parseConfiguration(bytes: Uint8Array): ConfigurationDescriptor {
  const sizeBytes = parseConfigurationSize(bytes);
  if (bytes.length < sizeBytes) {
    throw corrupt("configuration", `${bytes.length} of ${sizeBytes} bytes came`);
  }
  const interfaces: (InterfaceDescriptor & { endpoints: EndpointDescriptor[] })[] = [];
  for (let at = 0; at + 2 <= sizeBytes;) {
    const length = bytes[at]!;
    if (length < 2 || at + length > sizeBytes) {
      throw corrupt("configuration", `a part of ${length} bytes at offset ${at}`);
    }
    const part = bytes.subarray(at, at + length);
    if (part[1] === TYPE_INTERFACE && length >= 9) interfaces.push(parseInterface(part));
    if (part[1] === TYPE_ENDPOINT && length >= 7) {
      interfaces.at(-1)?.endpoints.push(parseEndpoint(part));
    }
    at += length;
  }
  return { value: bytes[5]!, interfaces };
}

/** First language of string descriptor 0; US English when it names none. */
export function parseLanguage(bytes: Uint8Array): number {
  return bytes.length >= 4 && bytes[1] === TYPE_STRING ? u16(bytes, 2) : 0x0409;
}

/** Text of a string descriptor, trimmed; undefined when there is none. */
export function parseString(bytes: Uint8Array): string | undefined {
  if (bytes.length < 2 || bytes[1] !== TYPE_STRING) return undefined;
  const end = Math.min(bytes[0]!, bytes.length);
  const text = new TextDecoder("utf-16le").decode(bytes.subarray(2, end - (end % 2)));
  const trimmed = text.replaceAll("\0", "").trim();
  return trimmed === "" ? undefined : trimmed;
}

function parseInterface(part: Uint8Array): InterfaceDescriptor & {
  endpoints: EndpointDescriptor[];
} {
  return {
    number: part[2]!,
    alternate: part[3]!,
    classCode: part[5]!,
    subclassCode: part[6]!,
    protocolCode: part[7]!,
    endpoints: [],
  };
}

function parseEndpoint(part: Uint8Array): EndpointDescriptor {
  const address = part[2]!;
  return {
    address,
    type: ENDPOINT_TYPES[part[3]! & 3]!,
    direction: (address & 0x80) === 0 ? "out" : "in",
    // Bits 12..11 count extra transactions per microframe and are no part of the size.
    maxPacketBytes: u16(part, 4) & 0x7ff,
    intervalCode: part[6]!,
  };
}

function u16(bytes: Uint8Array, offset: number): number {
  return bytes[offset]! | (bytes[offset + 1]! << 8);
}

function corrupt(what: string, state: string): FastboopError {
  return new FastboopError({
    kind: "corrupt",
    action: `Read USB ${what} descriptor`,
    state: `the device sent ${state}`,
  });
}
