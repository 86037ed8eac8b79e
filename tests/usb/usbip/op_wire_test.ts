import assert from "node:assert/strict";
import {
  DEVICE_RECORD_BYTES,
  encodeDevlistRequest,
  encodeImportRequest,
  parseDeviceRecord,
  parseOpReply,
} from "../../../lib/usb/usbip/op_wire.ts";

Deno.test("requests are those of the protocol's document", () => {
  assert.deepEqual([...encodeDevlistRequest()], [0x01, 0x11, 0x80, 0x05, 0, 0, 0, 0]);
  const request = encodeImportRequest("3-2");
  assert.equal(request.length, 40);
  assert.deepEqual([...request.subarray(0, 12)], [
    1,
    0x11,
    0x80,
    3,
    0,
    0,
    0,
    0,
    0x33,
    0x2d,
    0x32,
    0,
  ]);
  assert.equal(encodeImportRequest("x".repeat(40)).at(-1), 0, "always ended by a NUL");
});

Deno.test("parseOpReply() takes its own version and code only", () => {
  const reply = Uint8Array.of(0x01, 0x11, 0x00, 0x03, 0, 0, 0, 2);
  assert.deepEqual(parseOpReply(reply, "import"), { status: 2 });
  assert.match(String(parseOpReply(reply, "devlist")), /code is 0x0003, must be 0x0005/);
  assert.match(String(parseOpReply(Uint8Array.of(1, 6, 0, 3, 0, 0, 0, 0), "import")), /0x0106/);
});

Deno.test("parseDeviceRecord() reads fields at their offsets", () => {
  const bytes = new Uint8Array(DEVICE_RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.fill(0x2f, 0, 256);
  new TextEncoder().encodeInto("3-2", bytes.subarray(256));
  view.setUint32(288, 3);
  view.setUint32(292, 0x102);
  view.setUint32(296, 5);
  view.setUint16(300, 0x18d1);
  view.setUint16(302, 0xd00d);
  bytes.set([0xff, 0x42, 3, 1, 1, 4], 306);
  assert.deepEqual(parseDeviceRecord(bytes), {
    busId: "3-2",
    busNumber: 3,
    deviceNumber: 0x102,
    speed: 5,
    vendorId: 0x18d1,
    productId: 0xd00d,
    interfaceCount: 4,
  });
  bytes.fill(0x31, 256, 288);
  assert.match(String(parseDeviceRecord(bytes)), /no end/);
  bytes[256] = 0x1b;
  bytes[257] = 0;
  assert.match(String(parseDeviceRecord(bytes)), /no bus id has/);
});
