import assert from "node:assert/strict";
import { identityOf } from "../../lib/boot/identity_of.ts";

const info = { vendorId: 0x18d1, productId: 0xd00d, path: "1-1" };

Deno.test("identityOf() keeps the bootloader's ids and serial number", () => {
  assert.deepEqual(identityOf({ ...info, serial: "1a2b c3" }), {
    vendorId: 0x18d1,
    productId: 0xd00d,
    serial: "1a2b c3",
  });
});

Deno.test("identityOf() makes one up where there is none that stage0 could show", () => {
  for (const serial of [undefined, "", " x", "a\nb", "\u0438", "x".repeat(127)]) {
    const made = identityOf(serial === undefined ? info : { ...info, serial }).serial;
    assert.match(made, /^fastboop-[0-9a-f]{8}$/);
    assert.notEqual(identityOf(info).serial, made);
  }
});
