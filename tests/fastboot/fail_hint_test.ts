import assert from "node:assert/strict";
import { failHint } from "../../lib/fastboot/fail_hint.ts";

Deno.test("failHint() knows the texts bootloaders are reported to send", () => {
  const cases: [string, RegExp | undefined][] = [
    ["Device is locked", /locked/],
    ["not allowed in locked state", /locked/],
    ["Fastboot boot command is not available.: permission denied", /locked/],
    ["Signature verification failed", /locked/],
    ["unknown command", /cannot boot from RAM/],
    ["Command not supported", /cannot boot from RAM/],
    ["dtb not found", /device tree/],
    ["Device Tree update failed", /device tree/],
    ["invalid boot image header!", /header_version/],
    ["bootimage: incomplete or not sane", /header_version/],
    ["Kernel image too large", /does not fit/],
    ["boot image overlaps with aboot memory", /does not fit/],
    ["DeviceUnlocked is not set", /locked/],
    ["cannot read block 7", undefined],
    ["something new", undefined],
    ["", undefined],
  ];
  for (const [text, hint] of cases) {
    if (hint === undefined) assert.equal(failHint(text), undefined, text);
    else assert.match(failHint(text) ?? "", hint, text);
  }
});
