import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeCommand } from "../../lib/fastboot/command.ts";
import { ofKind } from "../support/expect_kind.ts";

Deno.test("encodeCommand() lets through getvar, download and boot, byte for byte", () => {
  for (const command of ["getvar:product", "getvar:has-slot:boot", "download:00c0ffee", "boot"]) {
    assert.equal(new TextDecoder().decode(encodeCommand(command)), command);
  }
  assert.equal(encodeCommand(`getvar:${"x".repeat(57)}`).length, 64);
});

Deno.test("encodeCommand() refuses everything else", () => {
  const forbidden = [
    "flash:boot",
    "erase:userdata",
    "set_active:b",
    "oem unlock",
    "flashing unlock",
    "reboot",
    "reboot-bootloader",
    "continue",
    "upload",
    "signature",
    "powerdown",
    "update-super:x",
    "boot ",
    "Boot",
    "boot\n",
    "boot\0",
    "getvar:",
    "getvar",
    "download:1",
    "download:0000000G",
    "",
    "download:00000001x",
    "getvar:a\nflash:b",
    "getvar:\u001b[2J",
    "getvar:\u00e9",
    " getvar:x",
  ];
  for (const command of forbidden) {
    assert.throws(() => encodeCommand(command), ofKind("usage"), JSON.stringify(command));
  }
  assert.throws(() => encodeCommand(`getvar:${"x".repeat(58)}`), ofKind("limit", /65 bytes/));
});

Deno.test("encodeCommand() never lets an unknown verb out, whatever the text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 80 }), (text) => {
      let out: string;
      try {
        out = new TextDecoder().decode(encodeCommand(text));
      } catch {
        return;
      }
      assert.match(out, /^(getvar:.+|download:[0-9a-f]{8}|boot)$/);
      assert.ok(out.length <= 64);
    }),
    { numRuns: 5000 },
  );
});
