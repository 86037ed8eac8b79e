import assert from "node:assert/strict";
import { parseKconfig } from "../../lib/kernel/kconfig.ts";
import { unmetStage0Symbols, unmetSymbolsError } from "../../lib/kernel/unmet_stage0_symbols.ts";
import { realTree } from "./real_trees.ts";

const FULL = `
CONFIG_MODULES=y
CONFIG_BLK_DEV_INITRD=y
CONFIG_PROC_FS=y
CONFIG_SYSFS=y
CONFIG_DEVTMPFS=y
CONFIG_TMPFS=y
CONFIG_TMPFS_XATTR=y
CONFIG_CONFIGFS_FS=m
CONFIG_USB_GADGET=m
CONFIG_USB_CONFIGFS=m
CONFIG_USB_CONFIGFS_F_FS=y
CONFIG_AIO=y
CONFIG_IO_URING=y
CONFIG_BLK_DEV_UBLK=m
CONFIG_OVERLAY_FS=m
CONFIG_EROFS_FS=m
CONFIG_EXT4_FS=y
`;
const NEEDS = { rootfs: "erofs", needModulesExport: true } as const;
const without = (...symbols: string[]) =>
  parseKconfig(
    FULL.split("\n").filter((l) => !symbols.some((s) => l.startsWith(`CONFIG_${s}=`)))
      .join("\n"),
  );
const names = (...args: Parameters<typeof unmetStage0Symbols>) =>
  unmetStage0Symbols(...args).map(({ symbol }) => symbol);

Deno.test("unmetStage0Symbols() is empty when all is set", () => {
  assert.deepEqual(names(parseKconfig(FULL), NEEDS), []);
});

Deno.test("unmetStage0Symbols() finds each symbol when it alone is missing", () => {
  for (const line of FULL.trim().split("\n")) {
    const symbol = /CONFIG_(\w+)/.exec(line)![1]!;
    assert.deepEqual(names(without(symbol), NEEDS), [symbol]);
  }
});

Deno.test("unmetStage0Symbols() takes m only where the kernel can have a module", () => {
  const kconfig = parseKconfig(FULL.replace("CONFIG_AIO=y", "CONFIG_AIO=m"));
  assert.deepEqual(names(kconfig, NEEDS), ["AIO"]);
});

Deno.test("unmetStage0Symbols() asks for a file system only when it is mounted", () => {
  const erofsOnly = without("EXT4_FS");
  assert.deepEqual(names(erofsOnly, { rootfs: "erofs", needModulesExport: false }), []);
  assert.deepEqual(names(erofsOnly, NEEDS), ["EXT4_FS"]);
  const ext4Only = without("EROFS_FS");
  assert.deepEqual(names(ext4Only, { rootfs: "ext4", needModulesExport: false }), []);
});

Deno.test("unmetStage0Symbols() needs no MODULES when nothing is a module", () => {
  const builtIn = parseKconfig(FULL.replaceAll("=m", "=y").replace("CONFIG_MODULES=y", ""));
  assert.deepEqual(names(builtIn, NEEDS), []);
});

Deno.test("unmetSymbolsError() lists every line to add, with y where there can be no module", () => {
  const unmet = unmetStage0Symbols(without("EROFS_FS", "IO_URING"), NEEDS);
  const error = unmetSymbolsError(unmet, "/src/out");
  assert.equal(error.kind, "tree");
  assert.match(error.message, /CONFIG_EROFS_FS=m {2}\(to mount the root/);
  assert.match(error.message, /CONFIG_IO_URING=y/);
  assert.match(error.hint!, /\/src\/out\/\.config.*olddefconfig/);
});

for (const arch of ["x86_64", "aarch64"] as const) {
  const tree = realTree(arch);
  Deno.test({
    name: `unmetStage0Symbols() is content with the lab's ${arch} kernel`,
    ignore: tree === undefined,
    fn: async () => {
      const kconfig = parseKconfig(await Deno.readTextFile(`${tree}/.config`));
      assert.deepEqual(names(kconfig, NEEDS), []);
    },
  });
}
