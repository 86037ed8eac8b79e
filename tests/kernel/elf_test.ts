import assert from "node:assert/strict";
import { parseElf } from "../../lib/kernel/elf.ts";
import { FastboopError } from "../../lib/errors/errors.ts";
import { expectError } from "./expect_error.ts";
import { elf, moduleElf } from "./fixture_tree.ts";

Deno.test("parseElf() reads machine, type, segments and sections", () => {
  const data = new Uint8Array([1, 2, 3, 4, 5]);
  const bytes = elf(183, 2, [1, 3, 2], [{ name: ".text", data }]);
  const parsed = parseElf(bytes, "x");
  assert.deepEqual([parsed.machine, parsed.type, parsed.segmentTypes], [183, 2, [1, 3, 2]]);
  const text = parsed.sections.find((s) => s.name === ".text")!;
  assert.deepEqual(bytes.subarray(text.offsetBytes, text.offsetBytes + text.sizeBytes), data);
});

Deno.test("parseElf() refuses other files, 32-bit and big-endian ones", async () => {
  await expectError("corrupt", () => parseElf(new Uint8Array(100), "x"), "no ELF");
  await expectError("corrupt", () => parseElf(new Uint8Array(), "x"), "no ELF");
  for (const at of [4, 5]) {
    const bytes = moduleElf();
    bytes[at] = at === 4 ? 1 : 2;
    await expectError("unsupported", () => parseElf(bytes, "x"));
  }
});

Deno.test("parseElf() answers every cut and every wild header with a FastboopError", () => {
  const whole = moduleElf({ depends: "a,b" });
  const attempt = (bytes: Uint8Array) => {
    try {
      parseElf(bytes, "x");
    } catch (error) {
      assert.ok(error instanceof FastboopError, String(error));
    }
  };
  for (let length = 0; length < whole.length; length++) attempt(whole.subarray(0, length));
  for (let at = 0; at < whole.length; at++) {
    for (const value of [0, 0x7f, 0xff]) {
      const bytes = whole.slice();
      bytes[at] = value;
      attempt(bytes);
    }
  }
});
