import assert from "node:assert/strict";
import { encodeSettings, type Stage0Settings } from "../../lib/stage0/settings.ts";
import { expectError } from "../kernel/expect_error.ts";

Deno.test("encodeSettings() writes every setting under the key stage0 reads", () => {
  const files = encodeSettings({
    rootfs: "erofs",
    modulesRelease: "6.12.3-lab+",
    serial: "S6MQ 01",
    init: "/usr/lib/systemd/systemd",
    timeoutSeconds: 90,
    onFail: "panic",
    yeetFstab: false,
    vendorId: 0x18d1,
    productId: 0xd,
    mimicFastboot: true,
    queueDepth: 8,
    maxIoBytes: 131072,
  });
  assert.deepEqual([...files], [
    ["stage0.rootfs", "erofs"],
    ["stage0.modules", "ext4"],
    ["stage0.kver", "6.12.3-lab+"],
    ["stage0.serial", "S6MQ 01"],
    ["stage0.init", "/usr/lib/systemd/systemd"],
    ["stage0.timeout", "90"],
    ["stage0.onfail", "panic"],
    ["stage0.yeetfstab", "0"],
    ["smoo.vendor", "0x18d1"],
    ["smoo.product", "0x000d"],
    ["smoo.mimic_fastboot", "1"],
    ["smoo.queue_depth", "8"],
    ["smoo.max_io_bytes", "131072"],
  ]);
});

Deno.test("encodeSettings() leaves absent settings to stage0's defaults", () => {
  assert.deepEqual([...encodeSettings({ rootfs: "ext4" })], [["stage0.rootfs", "ext4"]]);
});

Deno.test("encodeSettings() writes only keys of the table in stage0/README.md", async () => {
  const readme = await Deno.readTextFile(new URL("../../stage0/README.md", import.meta.url));
  const keys = new Set([...readme.matchAll(/`((?:stage0|smoo)\.[a-z_]+)`/g)].map((m) => m[1]!));
  const files = encodeSettings({
    rootfs: "erofs",
    modulesRelease: "1",
    serial: "a",
    init: "/i",
    timeoutSeconds: 1,
    onFail: "reboot",
    yeetFstab: true,
    vendorId: 1,
    productId: 1,
    mimicFastboot: false,
    queueDepth: 1,
    maxIoBytes: 4096,
  });
  assert.deepEqual([...files.keys()].sort(), [...keys].sort());
});

Deno.test("encodeSettings() refuses values stage0 would not understand", async () => {
  const bad: [string, Partial<Stage0Settings>][] = [
    ["stage0.kver", { modulesRelease: "../x" }],
    ["stage0.serial", { serial: "" }],
    ["stage0.serial", { serial: "a\nb" }],
    ["stage0.serial", { serial: " a" }],
    ["stage0.serial", { serial: "x".repeat(127) }],
    ["stage0.init", { init: "sbin/init" }],
    ["stage0.init", { init: `/${"x".repeat(255)}` }],
    ["stage0.timeout", { timeoutSeconds: 0 }],
    ["stage0.timeout", { timeoutSeconds: 1.5 }],
    ["smoo.vendor", { vendorId: 0x10000 }],
    ["smoo.product", { productId: -1 }],
    ["smoo.queue_depth", { queueDepth: 65 }],
    ["smoo.max_io_bytes", { maxIoBytes: 5000 }],
    ["smoo.max_io_bytes", { maxIoBytes: 8 << 20 }],
    ["smoo.max_io_bytes", { maxIoBytes: NaN }],
  ];
  for (const [key, settings] of bad) {
    await expectError("usage", () => encodeSettings({ rootfs: "erofs", ...settings }), key);
  }
});
