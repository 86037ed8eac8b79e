import assert from "node:assert/strict";
import { Fastboop } from "../support/fastboop.ts";
import { temporary, writeFiles } from "../kernel/fixture_tree.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
/** A kernel that lacks ublk for stage0 and virtio-mmio for a guest. */
const CONFIG = `BLK_DEV_INITRD PROC_FS SYSFS DEVTMPFS TMPFS TMPFS_XATTR CONFIGFS_FS USB_GADGET
USB_CONFIGFS USB_CONFIGFS_F_FS AIO IO_URING OVERLAY_FS EXT4_FS BLOCK`
  .split(/\s/).map((symbol) => `CONFIG_${symbol}=y\n`).join("");

async function check(config: string, ...args: string[]) {
  await using dir = await temporary();
  await writeFiles(dir.path, { "config-6.12.3": config });
  await using run = await Fastboop.start(["kconfig", "check", "config-6.12.3", ...args], {
    cwd: dir.path,
  });
  const { code, stdout, talk } = await run.ended;
  return { code, stdout: text(stdout), talk };
}

Deno.test("kconfig check prints what is unmet and exits 10, and 0 when nothing is", async () => {
  const lacking = await check(CONFIG, "--rootfs", "ext4");
  assert.equal(lacking.code, 10);
  assert.equal(lacking.stdout, "CONFIG_BLK_DEV_UBLK=y  (to make disks of the exports)\n");
  assert.match(lacking.talk, /lacks 1 for stage0/);
  const fine = await check(`${CONFIG}CONFIG_BLK_DEV_UBLK=y\n`, "--rootfs", "ext4");
  assert.deepEqual([fine.code, fine.talk], [0, ""]);
  assert.match(fine.stdout, /all of stage0 is set/);
});

Deno.test("kconfig check --fragment prints lines to merge and nothing else", async () => {
  const { code, stdout, talk } = await check(CONFIG, "--rootfs", "ext4", "--fragment");
  assert.deepEqual([code, talk], [10, ""]);
  assert.equal(
    stdout,
    "CONFIG_BLK_DEV=y\n# to make disks of the exports\nCONFIG_BLK_DEV_UBLK=y\n",
  );
});

Deno.test("kconfig check --json tells each unmet symbol with its set", async () => {
  const { code, stdout } = await check(CONFIG, "--set", "qemu-pci", "--set", "stage0", "--json");
  assert.equal(code, 10);
  const { sets, origin, unmet } = JSON.parse(stdout);
  assert.deepEqual([sets, origin], [["qemu-pci", "stage0"], "text"]);
  assert.deepEqual(
    unmet.map(({ symbol, set }: { symbol: string; set: string }) => `${set} ${symbol}`),
    ["qemu-pci PCI", "qemu-pci VIRTIO_PCI", "stage0 BLK_DEV_UBLK", "stage0 EROFS_FS"],
  );
});

Deno.test("kconfig check refuses sets and file systems it does not know", async () => {
  for (const words of [["--set", "phone"], ["--rootfs", "btrfs"]]) {
    const { code, stdout, talk } = await check(CONFIG, ...words);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(talk, new RegExp(words[1]!));
  }
});
