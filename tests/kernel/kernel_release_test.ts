import assert from "node:assert/strict";
import { parseKernelRelease } from "../../lib/kernel/kernel_release.ts";
import { expectError } from "./expect_error.ts";

Deno.test("parseKernelRelease() takes what uname prints and trims the newline", () => {
  for (const release of ["6.12.3", "6.12.117-lab", "6.9.0-rc1+", "5.4.0_x~1", "a".repeat(64)]) {
    assert.equal(parseKernelRelease(`${release}\n`, "x"), release);
  }
});

Deno.test("parseKernelRelease() refuses what must not become a path", async () => {
  const bad = [
    "",
    "\n",
    "../../etc",
    "..",
    ".",
    "a b",
    "6.12/x",
    "6.12\nx",
    "a".repeat(65),
    "6.1\0",
  ];
  for (const text of bad) await expectError("tree", () => parseKernelRelease(text, "the file"));
});
