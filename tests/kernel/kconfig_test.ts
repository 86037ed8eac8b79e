import assert from "node:assert/strict";
import { parseKconfig } from "../../lib/kernel/kconfig.ts";
import { expectError } from "./expect_error.ts";

Deno.test("parseKconfig() reads y, m, numbers, strings and leaves unset symbols out", () => {
  const kconfig = parseKconfig([
    "# Linux/arm64 6.12.3 Kernel Configuration",
    "CONFIG_ARM64=y",
    "CONFIG_EROFS_FS=m",
    "CONFIG_HZ=250",
    'CONFIG_LOCALVERSION="-my \\"x\\" \\\\"',
    "# CONFIG_MODVERSIONS is not set",
    "CONFIG_OLD=n",
    "CONFIG_TWICE=m",
    "# CONFIG_TWICE is not set",
    "",
  ].join("\n"));
  assert.deepEqual([...kconfig], [
    ["ARM64", "y"],
    ["EROFS_FS", "m"],
    ["HZ", "250"],
    ["LOCALVERSION", '-my "x" \\'],
  ]);
});

Deno.test("parseKconfig() refuses a line that is no symbol and names it", async () => {
  await expectError(
    "corrupt",
    () => parseKconfig("CONFIG_A=y\n<<<<<<< HEAD\n"),
    "line 2",
    "<<<<<<<",
  );
});
