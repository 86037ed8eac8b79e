/** What a device in fastboot mode answers on its control endpoint. */

export interface DescriptorFacts {
  vendorId: number;
  productId: number;
  serial: string;
}

const GET_STATUS = 0;
const CLEAR_FEATURE = 1;
const GET_DESCRIPTOR = 6;
const GET_CONFIGURATION = 8;
const SET_CONFIGURATION = 9;
const SET_INTERFACE = 11;

/** Bulk endpoints of 512 bytes: high speed. */
const CONFIGURATION = new Uint8Array([
  ...[9, 2, 32, 0, 1, 1, 0, 0x80, 0xfa],
  ...[9, 4, 0, 0, 2, 0xff, 0x42, 0x03, 4],
  ...[7, 5, 0x81, 2, 0x00, 0x02, 0],
  ...[7, 5, 0x01, 2, 0x00, 0x02, 0],
]);

function stringDescriptor(text: string): Uint8Array {
  const bytes = new Uint8Array(2 + 2 * text.length);
  bytes.set([bytes.length, 3]);
  for (let i = 0; i < text.length; i++) bytes[2 + 2 * i] = text.charCodeAt(i);
  return bytes;
}

export class BootloaderDescriptors {
  readonly #strings: Uint8Array[];
  readonly #device: Uint8Array;
  #configuration = 0;

  constructor(facts: DescriptorFacts) {
    const { vendorId, productId } = facts;
    this.#strings = [
      new Uint8Array([4, 3, 0x09, 0x04]),
      ...["fastboop lab", "virtual phone", facts.serial, "fastboot"].map(stringDescriptor),
    ];
    this.#device = new Uint8Array([
      ...[18, 1, 0x00, 0x02, 0, 0, 0, 64],
      ...[vendorId & 0xff, vendorId >> 8, productId & 0xff, productId >> 8, 0x00, 0x01],
      ...[1, 2, 3, 1],
    ]);
  }

  /** The data of a control request (empty for OUT); undefined is a stall. */
  answer(setup: Uint8Array): Uint8Array | undefined {
    const value = setup[2]! | setup[3]! << 8;
    switch (setup[1]) {
      case GET_DESCRIPTOR:
        return this.#descriptor(value >> 8, value & 0xff);
      case GET_CONFIGURATION:
        return new Uint8Array([this.#configuration]);
      case GET_STATUS:
        return new Uint8Array([0, 0]);
      case SET_CONFIGURATION:
        if (value > 1) return undefined;
        this.#configuration = value;
        return new Uint8Array();
      case SET_INTERFACE:
        return value === 0 ? new Uint8Array() : undefined;
      case CLEAR_FEATURE:
        return new Uint8Array();
      default:
        return undefined;
    }
  }

  #descriptor(type: number, index: number): Uint8Array | undefined {
    if (type === 1) return this.#device;
    if (type === 2) return index === 0 ? CONFIGURATION : undefined;
    if (type === 3) return this.#strings[index];
    return undefined;
  }
}
