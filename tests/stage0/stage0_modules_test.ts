import assert from "node:assert/strict";
import { stage0Modules } from "../../lib/stage0/stage0_modules.ts";

const BASE = ["configfs", "libcomposite", "usb_f_fs", "ublk_drv", "overlay"];

Deno.test("stage0Modules() adds the file systems that are mounted, once", () => {
  const list = (rootfs: "erofs" | "ext4", modulesExport: boolean) =>
    stage0Modules({ rootfs, modulesExport });
  assert.deepEqual(list("erofs", true), [...BASE, "erofs", "ext4"]);
  assert.deepEqual(list("erofs", false), [...BASE, "erofs"]);
  assert.deepEqual(list("ext4", true), [...BASE, "ext4"]);
});

Deno.test("stage0Modules() appends the profile's, then the user's", () => {
  const names = stage0Modules({
    rootfs: "erofs",
    modulesExport: false,
    profileModules: ["dwc3", "erofs"],
    requiredModules: ["phy-x", "dwc3"],
  });
  assert.deepEqual(names, [...BASE, "erofs", "dwc3", "phy-x"]);
});
