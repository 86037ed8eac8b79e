/** Builds the descriptors of a made-up USB device, for fakes that a host enumerates. */

export interface EndpointShape {
  /** Direction bit included. */
  address: number;
  type: "bulk" | "interrupt";
  maxPacketBytes?: number;
  interval?: number;
}

export interface DeviceShape {
  vendorId: number;
  productId: number;
  serial?: string;
  interfaces: {
    triple: readonly [number, number, number];
    alternate?: number;
    endpoints: EndpointShape[];
  }[];
}

export interface DescriptorSet {
  device: Uint8Array;
  configuration: Uint8Array;
  /** Index 0 is the language list, 1 the serial number. */
  strings: Uint8Array[];
}

/** Device, configuration (value 1) and string descriptors, high-speed unless sizes say otherwise. */
export function buildDescriptors(shape: DeviceShape): DescriptorSet {
  const strings: Uint8Array[] = [Uint8Array.of(4, 3, 0x09, 0x04)];
  if (shape.serial !== undefined) strings.push(stringDescriptor(shape.serial));
  // deno-fmt-ignore
  const device = Uint8Array.of(
    18, 1, 0x00, 0x02, 0, 0, 0, 64,
    shape.vendorId & 0xff, shape.vendorId >> 8, shape.productId & 0xff, shape.productId >> 8,
    0x00, 0x01, 0, 0, shape.serial === undefined ? 0 : 1, 1,
  );
  const parts: number[] = [];
  shape.interfaces.forEach((one, number) => {
    const [classCode, subclassCode, protocolCode] = one.triple;
    // deno-fmt-ignore
    parts.push(
      9, 4, one.alternate === undefined ? number : 0, one.alternate ?? 0, one.endpoints.length,
      classCode, subclassCode, protocolCode, 0,
    );
    for (const endpoint of one.endpoints) {
      const size = endpoint.maxPacketBytes ?? 512;
      const attributes = endpoint.type === "bulk" ? 2 : 3;
      const interval = endpoint.interval ?? (endpoint.type === "bulk" ? 0 : 1);
      parts.push(7, 5, endpoint.address, attributes, size & 0xff, size >> 8, interval);
    }
  });
  const total = 9 + parts.length;
  // deno-fmt-ignore
  const configuration = Uint8Array.of(
    9, 2, total & 0xff, total >> 8, shape.interfaces.length, 1, 0, 0x80, 250, ...parts,
  );
  return { device, configuration, strings };
}

/** A bootloader: one fastboot interface with bulk IN 0x81 and bulk OUT 0x02. */
export function fastbootShape(serial?: string): DeviceShape {
  return {
    vendorId: 0x18d1,
    productId: 0xd00d,
    ...(serial === undefined ? {} : { serial }),
    interfaces: [{
      triple: [0xff, 0x42, 0x03],
      endpoints: [{ address: 0x81, type: "bulk" }, { address: 0x02, type: "bulk" }],
    }],
  };
}

/** A smoo gadget: bulk both ways, interrupt both ways, at addresses as a controller might give them. */
export function smooShape(
  serial?: string,
  triple: readonly [number, number, number] = [0xff, 0x42, 0x03],
): DeviceShape {
  return {
    vendorId: 0x18d1,
    productId: 0xd00d,
    ...(serial === undefined ? {} : { serial }),
    interfaces: [{
      triple,
      endpoints: [
        { address: 0x02, type: "bulk" },
        { address: 0x81, type: "bulk" },
        { address: 0x85, type: "interrupt", maxPacketBytes: 64 },
        { address: 0x07, type: "interrupt", maxPacketBytes: 64 },
      ],
    }],
  };
}

function stringDescriptor(text: string): Uint8Array {
  const bytes = [2 + text.length * 2, 3];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    bytes.push(unit & 0xff, unit >> 8);
  }
  return Uint8Array.from(bytes);
}
