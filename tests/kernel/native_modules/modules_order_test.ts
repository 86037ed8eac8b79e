import assert from "node:assert/strict";
import { parseModulesOrder } from "../../../lib/kernel/native_modules/modules_order.ts";
import { expectError } from "../expect_error.ts";

Deno.test("parseModulesOrder() reads the lists of all kbuild versions", () => {
  const of = (text: string) => parseModulesOrder(text, "modules.order");
  const installed = "kernel/fs/a-b.ko\nkernel/kernel/torture.ko\n";
  const stems = ["fs/a-b", "kernel/torture"];
  assert.deepEqual(of("fs/a-b.o\nkernel/torture.o\n"), { stems, installed });
  assert.deepEqual(of("fs/a-b.ko\nkernel/torture.ko\n"), { stems, installed });
  assert.deepEqual(of("kernel/fs/a-b.ko\nkernel/kernel/torture.ko\n"), { stems, installed });
  assert.deepEqual(of("fs/a.o\nfs/a.o\n").stems, ["fs/a"]);
  assert.deepEqual(of(""), { stems: [], installed: "" });
});

Deno.test("parseModulesOrder() takes the directory off modules from outside", () => {
  const of = (text: string) => parseModulesOrder(text, "modules.order", ["/src/m", "/real/m"]);
  assert.deepEqual(of("/src/m/a.o\n/real/m/b/c.o\n").stems, ["a", "b/c"]);
  assert.deepEqual(of("a.o\nb/c.o\n").stems, ["a", "b/c"]);
});

Deno.test("parseModulesOrder() refuses paths that leave the build", async () => {
  for (const line of ["/etc/passwd.o", "../x.o", "a/../../x.o", "a//b.o", "./a.o", ".o", "a\0.o"]) {
    await expectError("corrupt", () => parseModulesOrder(`${line}\n`, "/t/modules.order"), "/t/");
  }
  const many = Array.from({ length: 65_537 }, (_, i) => `a${i}.o`).join("\n");
  await expectError("limit", () => parseModulesOrder(many, "modules.order"), "65536");
});
