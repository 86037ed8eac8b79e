import assert from "node:assert/strict";
import fc from "fast-check";
import { FastboopError } from "../../lib/errors/errors.ts";
import {
  parseConfiguration,
  parseConfigurationSize,
  parseDeviceDescriptor,
  parseLanguage,
  parseString,
} from "../../lib/usb/descriptors.ts";
import { ofKind } from "../support/expect_kind.ts";

// A high-speed device as `lsusb -v` shows many: one interface, an unknown descriptor, two endpoints.
// deno-fmt-ignore
const CONFIGURATION = Uint8Array.of(
  9, 2, 37, 0, 1, 1, 4, 0xa0, 0x32,
  9, 4, 2, 1, 2, 0xff, 0x42, 0x03, 5,
  5, 0x24, 0, 1, 2,
  7, 5, 0x81, 2, 0x00, 0x02, 0,
  7, 5, 0x0f, 3, 0x00, 0x14, 4,
);

Deno.test("parseConfiguration() reads interfaces and endpoints and skips what it does not know", () => {
  assert.deepEqual(parseConfiguration(CONFIGURATION), {
    value: 1,
    interfaces: [{
      number: 2,
      alternate: 1,
      classCode: 0xff,
      subclassCode: 0x42,
      protocolCode: 0x03,
      endpoints: [
        { address: 0x81, type: "bulk", direction: "in", maxPacketBytes: 512, intervalCode: 0 },
        {
          address: 0x0f,
          type: "interrupt",
          direction: "out",
          maxPacketBytes: 1024,
          intervalCode: 4,
        },
      ],
    }],
  });
});

Deno.test("descriptors that do not fit are `corrupt` or `limit`", () => {
  const broken = (change: (bytes: Uint8Array) => void) => {
    const bytes = CONFIGURATION.slice();
    change(bytes);
    return () => parseConfiguration(bytes);
  };
  assert.throws(broken((b) => b[9] = 0), ofKind("corrupt", /0 bytes at offset 9/));
  assert.throws(broken((b) => b[9] = 200), ofKind("corrupt", /200 bytes at offset 9/));
  assert.throws(broken((b) => b[1] = 4), ofKind("corrupt", /type 4/));
  assert.throws(broken((b) => b[2] = 38), ofKind("corrupt", /37 of 38 bytes/));
  assert.throws(broken((b) => b[2] = 8), ofKind("corrupt", /size 8/));
  const huge = Uint8Array.of(9, 2, 0x01, 0x40, 1, 1, 0, 0, 0);
  assert.throws(() => parseConfigurationSize(huge), ofKind("limit", /16385 bytes/));
  huge[2] = 0;
  assert.equal(parseConfigurationSize(huge), 16384);
  assert.throws(() => parseDeviceDescriptor(new Uint8Array(17)), ofKind("corrupt"));
  assert.throws(() => parseDeviceDescriptor(new Uint8Array(18)), ofKind("corrupt", /type 0/));
});

Deno.test("parseString() trims, and takes what is shorter than it says", () => {
  assert.equal(parseString(Uint8Array.of(8, 3, 0x20, 0, 0x41, 0, 0, 0)), "A");
  assert.equal(parseString(Uint8Array.of(200, 3, 0x41, 0, 0x42)), "A");
  assert.equal(parseString(Uint8Array.of(2, 3)), undefined);
  assert.equal(parseString(Uint8Array.of(4, 2, 0x41, 0)), undefined);
  assert.equal(parseString(new Uint8Array(0)), undefined);
  assert.equal(parseLanguage(Uint8Array.of(4, 3, 0x07, 0x04)), 0x0407);
  assert.equal(parseLanguage(new Uint8Array(2)), 0x0409);
});

Deno.test("descriptor parsers end in a value or a FastboopError for any bytes", () => {
  const flips = fc.array(fc.tuple(fc.nat(CONFIGURATION.length - 1), fc.nat(255)), { maxLength: 6 });
  fc.assert(
    fc.property(flips, fc.uint8Array({ maxLength: 64 }), (changes, random) => {
      const changed = CONFIGURATION.slice();
      for (const [at, value] of changes) changed[at] = value;
      for (const bytes of [changed, random]) {
        for (
          const parse of [parseConfiguration, parseDeviceDescriptor, parseString, parseLanguage]
        ) {
          try {
            parse(bytes);
          } catch (error) {
            assert.ok(error instanceof FastboopError, String(error));
          }
        }
      }
    }),
    { numRuns: 5000 },
  );
});
