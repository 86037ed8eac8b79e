import assert from "node:assert/strict";
import { listPartitions, openPartition } from "../../lib/images/partitions.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import { makeFat } from "../filesystems/fat/fat_images.ts";
import { hasTool, run, withTempDir } from "../filesystems/foreign_tools.ts";
import { ofKind } from "../support/expect_kind.ts";
import { HAS_GPT_TOOLS, HAS_MBR_TOOLS, makeDisk, must, partx } from "./disk_images.ts";

const MIB = 1 << 20;

async function listFile(path: string) {
  return await listPartitions(new MemoryReader(await Deno.readFile(path), path));
}

Deno.test({
  name: "listPartitions() decides between GPT and MBR as partx does",
  ignore: !HAS_GPT_TOOLS,
  async fn(t) {
    await withTempDir(async (folder) => {
      const path = await makeDisk(`${folder}/disk`, 8 * MIB);
      await must("sgdisk", ["-n", "1:0:+1M", "-c", "1:one", "-n", "2:0:+1M", path]);
      const same = async (scheme: "gpt" | "mbr") => {
        const table = await listFile(path);
        assert.equal(table?.scheme, scheme);
        const rows = await partx(path, 512);
        assert.ok(rows.length > 0);
        assert.deepEqual(
          table.partitions.map((
            p,
          ) => [p.index + 1, p.offsetBytes, p.sizeBytes, p.partuuid, p.name]),
          rows.map((row) => [row.number, row.start, row.count, row.uuid, row.name]),
        );
      };
      await t.step("protective MBR", () => same("gpt"));
      await must("sgdisk", ["-h", "1", path]);
      await t.step("hybrid MBR", () => same("gpt"));
      await t.step("sector 0 wiped", async () => {
        const bytes = await Deno.readFile(path);
        bytes.fill(0, 0, 512);
        const table = await listPartitions(new MemoryReader(bytes, "disk"));
        assert.deepEqual([table?.scheme, table?.usedBackup], ["gpt", false]);
        bytes.fill(0, 0, 2048);
        const backup = await listPartitions(new MemoryReader(bytes, "disk"));
        assert.deepEqual([backup?.scheme, backup?.usedBackup], ["gpt", true]);
        assert.deepEqual(backup?.partitions, table?.partitions);
      });
      await t.step("GPT lost behind its protective MBR", async () => {
        const other = await makeDisk(`${folder}/other`, 8 * MIB);
        await must("sgdisk", ["-n", "1:0:+1M", other]);
        const sector = (await Deno.readFile(other)).slice(0, 512);
        const attempt = listPartitions(new MemoryReader(sector, "disk"));
        await assert.rejects(attempt, ofKind("corrupt", /not there/));
      });
      await must("sfdisk", ["-q", "--wipe", "never", path], "label: dos\nsize=1M, type=83\n");
      await t.step("an MBR written over a GPT that is left", () => same("mbr"));
    });
  },
});

Deno.test({
  name: "listPartitions() takes no file system for a table",
  ignore: !HAS_MBR_TOOLS || !hasTool("mkfs.vfat") || !hasTool("mke2fs"),
  async fn() {
    await withTempDir(async (folder) => {
      for (
        const [sizeKib, words] of [
          [1440, ""],
          [16_384, ""],
          [40_000, "-F 32"],
          [40_000, "--mbr=yes"],
        ] as const
      ) {
        const path = `${folder}/fat${sizeKib}${words}`;
        await makeFat(path, sizeKib, words);
        assert.deepEqual(await partx(path, 512), []);
        assert.equal(await listFile(path), undefined, words);
      }
      const ext4 = await makeDisk(`${folder}/ext4`, 4 * MIB);
      assert.equal((await run("mke2fs", ["-q", ext4])).code, 0);
      assert.equal(await listFile(ext4), undefined);
    });
  },
});

Deno.test({
  name: "openPartition() gives the partition's bytes and leaves out extended ones",
  ignore: !HAS_MBR_TOOLS,
  async fn() {
    await withTempDir(async (folder) => {
      const path = await makeDisk(`${folder}/disk`, 8 * MIB);
      await must(
        "sfdisk",
        ["-q", path],
        "label: dos\nsize=1M\nsize=4M, type=5\nstart=6144, size=1M\n",
      );
      const bytes = await Deno.readFile(path);
      const table = await listPartitions(new MemoryReader(bytes, "disk"));
      assert.deepEqual(table?.partitions.map(({ index }) => index), [0, 4]);
      const logical = table.partitions[1]!;
      bytes.set([9, 8], logical.offsetBytes);
      await using reader = openPartition(new MemoryReader(bytes, "disk"), logical);
      const start = new Uint8Array(2);
      await reader.readAt(0, start);
      assert.deepEqual([reader.sizeBytes, ...start], [MIB, 9, 8]);
      const cut = new MemoryReader(bytes.subarray(0, logical.offsetBytes + 1), "cut");
      assert.throws(() => openPartition(cut, logical), ofKind("corrupt"));
    });
  },
});
