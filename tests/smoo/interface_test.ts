import assert from "node:assert/strict";
import { findSmooPipes, isSmooInterface } from "../../lib/smoo/interface.ts";
import type { UsbInterface } from "../../lib/usb/link.ts";

const ENDPOINTS: UsbInterface["endpoints"] = [
  { address: 0x86, type: "bulk", direction: "in", maxPacketBytes: 512 },
  { address: 0x07, type: "bulk", direction: "out", maxPacketBytes: 512 },
  { address: 0x81, type: "interrupt", direction: "in", maxPacketBytes: 1024 },
  { address: 0x02, type: "interrupt", direction: "out", maxPacketBytes: 1024 },
];

function interfaceOf(parts: Partial<UsbInterface>): UsbInterface {
  return {
    number: 0,
    alternate: 0,
    classCode: 0xff,
    subclassCode: 0x53,
    protocolCode: 0x4d,
    endpoints: ENDPOINTS,
    ...parts,
  };
}

function requestLength(maxPacketBytes: number): number | undefined {
  const endpoints = ENDPOINTS.map((one) => one.address === 0x81 ? { ...one, maxPacketBytes } : one);
  return findSmooPipes(interfaceOf({ endpoints }))?.requestInBytes;
}

Deno.test("findSmooPipes() goes by type and direction, not by number", () => {
  assert.deepEqual(findSmooPipes(interfaceOf({})), {
    requestIn: 0x81,
    requestInBytes: 1024,
    responseOut: 0x02,
    payloadIn: 0x86,
    payloadOut: 0x07,
  });
});

Deno.test("findSmooPipes() asks for one whole packet, or a Request where packets are smaller", () => {
  assert.equal(requestLength(64), 64);
  assert.equal(requestLength(28), 28);
  assert.equal(requestLength(16), 28);
  assert.equal(requestLength(0), 64);
  assert.equal(requestLength(0x0800 | 1024), 1024);
});

Deno.test("isSmooInterface() takes the gadget's triple and the impersonated one", () => {
  assert.ok(isSmooInterface(interfaceOf({})));
  assert.ok(isSmooInterface(interfaceOf({ subclassCode: 0x42, protocolCode: 0x03 })));
});

Deno.test("isSmooInterface() refuses a real fastboot interface and other classes", () => {
  const bulkOnly = ENDPOINTS.filter((one) => one.type === "bulk");
  assert.ok(
    !isSmooInterface(
      interfaceOf({ subclassCode: 0x42, protocolCode: 0x03, endpoints: bulkOnly }),
    ),
  );
  assert.ok(!isSmooInterface(interfaceOf({ classCode: 0x08 })));
  assert.ok(!isSmooInterface(interfaceOf({ protocolCode: 0x4e })));
  for (const missing of ENDPOINTS) {
    const endpoints = ENDPOINTS.filter((one) => one !== missing);
    assert.ok(!isSmooInterface(interfaceOf({ endpoints })));
  }
});
