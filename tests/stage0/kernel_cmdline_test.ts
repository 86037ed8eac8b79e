import assert from "node:assert/strict";
import { kernelCmdline } from "../../lib/stage0/kernel_cmdline.ts";
import { expectError } from "../kernel/expect_error.ts";

Deno.test("kernelCmdline() puts the profile first and the user last", () => {
  const line = kernelCmdline({
    profile: " console=ttyMSM0,115200n8 ",
    generated: ["systemd.clock_usec=1", ""],
    append: 'quiet  dyndbg="file x +p"\n',
  });
  assert.equal(line, 'console=ttyMSM0,115200n8 systemd.clock_usec=1 quiet  dyndbg="file x +p"');
  assert.equal(kernelCmdline({}), "");
});

Deno.test("kernelCmdline() takes exactly what the boot image holds", async () => {
  assert.equal(kernelCmdline({ append: "x".repeat(1535) }).length, 1535);
  await expectError("limit", () => kernelCmdline({ append: "x".repeat(1536) }), "1536", "1535");
});

Deno.test("kernelCmdline() refuses what is not printable ASCII", async () => {
  for (const append of ["a\0b", "a\nb", "a\tb", "k\u00e4se", "\u{1f980}"]) {
    await expectError("usage", () => kernelCmdline({ append }), "U+");
  }
});
