import assert from "node:assert/strict";
import { parseModulesDep } from "../../lib/kernel/modules_dep.ts";
import { expectError } from "./expect_error.ts";

const TEXT = "kernel/a.ko: kernel/b.ko kernel/c.ko\nkernel/b.ko: kernel/c.ko\nkernel/c.ko:\n";

Deno.test("parseModulesDep() gives dependencies in load order, the reverse of the line", () => {
  assert.deepEqual(parseModulesDep(TEXT).get("kernel/a.ko"), ["kernel/c.ko", "kernel/b.ko"]);
});

Deno.test("parseModulesDep() refuses lines without a colon and paths that lead out", async () => {
  for (
    const line of ["kernel/a.ko", "../a.ko:", "/lib/a.ko:", "a.ko: ../../etc/shadow", ": b.ko"]
  ) {
    await expectError("corrupt", () => parseModulesDep(`${line}\n`));
  }
});
