/** Roots told apart by what is in them, as postmarketOS has them: /boot and root both ext4. */
import assert from "node:assert/strict";
import { openImage } from "../../lib/filesystems/open_image.ts";
import { probeRoot } from "../../lib/filesystems/probe_root.ts";
import { openFile } from "../../lib/sources/file.ts";
import { must } from "../images/disk_images.ts";
import { ofKind } from "../support/expect_kind.ts";
import { DISK_TOOLS, gptDisk } from "../support/root_disks.ts";
import { FaultyReader } from "../support/faulty_reader.ts";
import { hasTool, withTempDir } from "./foreign_tools.ts";

const ignore = ![...DISK_TOOLS, "mke2fs", "mkfs.erofs"].every(hasTool);

/** A file system made of shell's words for what is in it. */
async function filesystem(dir: string, name: string, fill: string, tool = "mke2fs") {
  const folder = `${dir}/${name}.d`;
  await must("sh", ["-ec", `mkdir ${folder}; cd ${folder}; ${fill}`]);
  const image = `${dir}/${name}`;
  if (tool === "mkfs.erofs") await must("mkfs.erofs", [image, folder]);
  else await must("mke2fs", ["-q", "-t", "ext4", "-d", folder, image, "2M"]);
  return image;
}

/** Merged, with an init that is a link to the top: what a path of Debian's leads through. */
const MERGED = "mkdir -p usr/sbin usr/lib/openrc; ln -s usr/sbin sbin; " +
  "echo x > usr/lib/openrc/run; ln -s /usr/lib/openrc/run usr/sbin/init";
const BOOT = "mkdir dtbs; echo x > vmlinuz";

Deno.test({
  name: "probeRoot() sees a /usr and an init through links, and nothing in what cannot be read",
  ignore,
  fn: () =>
    withTempDir(async (dir) => {
      const trees: [string, string, object][] = [
        ["merged", MERGED, { hasUsr: true, hasInit: true }],
        ["boot", BOOT, { hasUsr: false, hasInit: false }],
        ["dangling", "mkdir usr sbin; ln -s /absent sbin/init", { hasUsr: true, hasInit: false }],
        ["systemd", "mkdir -p lib/systemd; echo x > lib/systemd/systemd", {
          hasUsr: false,
          hasInit: true,
        }],
        ["folder", "mkdir -p sbin/init", { hasUsr: false, hasInit: false }],
      ];
      for (const [name, fill, expected] of trees) {
        for (const tool of ["mke2fs", "mkfs.erofs"]) {
          await using image = await openFile(await filesystem(dir, `${name}.${tool}`, fill, tool));
          const format = tool === "mke2fs" ? "ext4" : "erofs";
          assert.deepEqual(await probeRoot(image, format, {}), expected, `${name}, ${format}`);
        }
      }
      const image = `${dir}/merged.mke2fs`;
      await Deno.truncate(image, 4096);
      await using cut = await openFile(image);
      assert.deepEqual(await probeRoot(cut, "ext4", {}), {});
      const boot = await Deno.readFile(`${dir}/boot.mke2fs`);
      const gone = new FaultyReader(boot, () => ({ fail: true }));
      await assert.rejects(probeRoot(gone, "ext4", {}), ofKind("source"));
      assert.ok(!gone.disposed);
    }),
});

Deno.test({
  name: "openImage() takes the partition with an init where types say nothing",
  ignore,
  fn: () =>
    withTempDir(async (dir) => {
      const boot = await Deno.readFile(await filesystem(dir, "boot", BOOT));
      const root = await Deno.readFile(await filesystem(dir, "root", MERGED));
      const stepsOf = async (...parts: Uint8Array[]) => {
        const path = await gptDisk(`${dir}/disk`, parts.map((bytes) => ({ bytes })));
        const source = await openFile(path);
        try {
          await using image = await openImage(source, { purpose: "boot" });
          return image.steps;
        } catch (error) {
          await source[Symbol.asyncDispose]();
          throw error;
        }
      };
      assert.deepEqual(await stepsOf(boot, root), ["gpt partition 2"]);
      assert.deepEqual(await stepsOf(root, boot), ["gpt partition 1"]);
      await assert.rejects(stepsOf(root, root), ofKind("usage", /2 may be the root/));
      await assert.rejects(stepsOf(boot, boot), ofKind("usage", /2 may be the root/));
      // An unreadable neighbour speaks neither for nor against itself.
      const damaged = boot.slice();
      damaged.fill(0xff, 1024 + 64, 1024 + 96);
      assert.deepEqual(await stepsOf(damaged, root), ["gpt partition 2"]);
    }),
});
