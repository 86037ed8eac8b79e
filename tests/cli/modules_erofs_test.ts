/** `--rootfs IMAGE` of the `modules` verbs, on EROFS images as mkfs.erofs makes them. */
import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { hasTool, run } from "../filesystems/foreign_tools.ts";
import { moduleElf, RELEASE, temporary, writeFiles } from "../kernel/fixture_tree.ts";
import { fastboop } from "../support/fastboop.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Modules without indexes, as a package leaves them before depmod, in all their compressions. */
async function rootWithModules(path: string): Promise<void> {
  await writeFiles(`${path}/usr/lib/modules/${RELEASE}`, {
    "kernel/net/nic.ko": moduleElf({ depends: "phy,lib_a", firmware: ["nic/a.fw"] }),
    "kernel/net/phy.ko.gz": gzipSync(moduleElf({ depends: "lib_a" })),
    "kernel/lib/lib-a.ko.zst": zstdCompressSync(moduleElf()),
    "modules.builtin": "kernel/fs/configfs/configfs.ko\n",
  });
  await writeFiles(`${path}/usr/lib/firmware`, { "nic/a.fw": "firmware of nic" });
  await Deno.symlink("usr/lib", `${path}/lib`);
}

for (const flags of [[], ["-zlz4"], ["-zlz4hc"]]) {
  Deno.test({
    name: `modules resolve and pack read an EROFS root made with [${flags.join(" ")}]`,
    ignore: !hasTool("mkfs.erofs"),
    fn: async () => {
      await using dir = await temporary();
      await rootWithModules(`${dir.path}/root`);
      const image = `${dir.path}/root.ero`;
      const made = await run("mkfs.erofs", [...flags, image, `${dir.path}/root`]);
      assert.equal(made.code, 0, made.stderr);

      const words = ["modules", "resolve", "nic", "configfs", "--rootfs", image];
      const resolved = await fastboop(words);
      assert.equal(resolved.code, 0, resolved.talk);
      const paths = text(resolved.stdout).trim().split("\n").map((path) =>
        path.replace(/.*\//, "")
      );
      assert.deepEqual(paths, ["lib-a.ko.zst", "phy.ko.gz", "nic.ko"]);

      const out = `${dir.path}/packed`;
      const packed = await fastboop(["modules", "pack", "nic", "--rootfs", image, "-o", `${out}/`]);
      assert.equal(packed.code, 0, packed.talk);
      const of = (path: string) => Deno.readFile(`${dir.path}/root/usr/lib/${path}`);
      for (const path of [`modules/${RELEASE}/kernel/net/phy.ko.gz`, "firmware/nic/a.fw"]) {
        assert.deepEqual(await Deno.readFile(`${out}/usr/lib/${path}`), await of(path), path);
      }
    },
  });
}
