import assert from "node:assert/strict";
import { crc32, gzipSync } from "node:zlib";
import { unwrap } from "../../lib/images/unwrap.ts";
import { openImage } from "../../lib/filesystems/open_image.ts";
import { openFile } from "../../lib/sources/file.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import { hasTool, run, withTempDir } from "../filesystems/foreign_tools.ts";
import { ofKind } from "../support/expect_kind.ts";

class Counted extends MemoryReader {
  closed = 0;

  override async [Symbol.asyncDispose](): Promise<void> {
    this.closed++;
    await super[Symbol.asyncDispose]();
  }
}

function nested(depth: number): Counted {
  let bytes = new Uint8Array(100).fill(7);
  for (let i = 0; i < depth; i++) bytes = new Uint8Array(gzipSync(bytes));
  return new Counted(bytes, "nested");
}

Deno.test("unwrap() takes off 16 containers, refuses 17 and leaves the source open then", async () => {
  const most = nested(16);
  {
    await using inner = (await unwrap(most)).reader;
    assert.equal(inner.sizeBytes, 100);
    assert.equal(most.closed, 0);
  }
  assert.equal(most.closed, 1);
  const more = nested(17);
  await assert.rejects(unwrap(more), ofKind("limit"));
  assert.equal(more.closed, 0);
});

Deno.test("unwrap() ends at once with what it does not know", async () => {
  const result = await unwrap(new MemoryReader(new Uint8Array(3), "short"));
  assert.deepEqual([result.steps, result.format], [[], undefined]);
  const empty = await unwrap(new MemoryReader(new Uint8Array(0), "empty"));
  assert.equal(empty.format, undefined);
});

/** A disk whose table of 4096 entries of 128 bytes at LBA 2 names as many partitions of one LBA. */
function crowdedDisk(): Uint8Array {
  const disk = new Uint8Array(2 << 20);
  const table = disk.subarray(1024, 1024 + 4096 * 128);
  for (let at = 0; at < table.length; at += 128) {
    table.fill(0x41, at, at + 32);
    const view = new DataView(table.buffer, table.byteOffset + at, 128);
    view.setUint32(32, 2000, true);
    view.setUint32(40, 2000, true);
    for (let unit = 56; unit < 128; unit += 2) view.setUint16(unit, 0x62, true);
  }
  const header = new DataView(disk.buffer, 512, 92);
  disk.set(new TextEncoder().encode("EFI PART"), 512);
  header.setUint32(12, 92, true);
  header.setUint32(24, 1, true);
  header.setUint32(72, 2, true);
  header.setUint32(80, 4096, true);
  header.setUint32(84, 128, true);
  header.setUint32(88, crc32(table), true);
  header.setUint32(16, crc32(disk.subarray(512, 604)), true);
  return disk;
}

Deno.test("unwrap() lists a few partitions of a table that has thousands", async () => {
  const source = new MemoryReader(crowdedDisk(), "crowded");
  const error = await unwrap(source, { partition: "root" }).then(() => undefined, (error) => error);
  assert.ok(ofKind("not-found", /24 "b{36}" and 4072 more$/m)(error));
  assert.ok(error.message.length < 2000, `${error.message.length} characters`);
});

Deno.test({
  name: "unwrap() chooses a partition by number, label or reason, and lists them when it cannot",
  ignore: !["mke2fs", "sgdisk", "mkfs.erofs", "tar"].every(hasTool),
  fn: () =>
    withTempDir(async (dir) => {
      const must = async (program: string, args: string[]) => {
        const { code, stderr } = await run(program, args, { cwd: dir });
        assert.equal(code, 0, stderr);
      };
      await must("mke2fs", ["-q", "-t", "ext4", "-L", "inner", "a.ext4", "2M"]);
      await must("truncate", ["-s", "16M", "disk"]);
      const parts = ["-n", "1:2048:+3M", "-c", "1:boot", "-n", "2:12288:+3M", "-c", "2:data"];
      await must("sgdisk", [...parts, "disk"]);
      const put = (seek: string) =>
        must("dd", ["if=a.ext4", "of=disk", "bs=512", `seek=${seek}`, "conv=notrunc"]);
      const stepsOf = async (partition?: string, purpose: "boot" | "inspect" = "boot") => {
        const source = await openFile(`${dir}/disk`);
        try {
          const { reader, steps, partitions } = await unwrap(source, {
            purpose,
            ...(partition === undefined ? {} : { partition }),
          });
          await reader[Symbol.asyncDispose]();
          return [...steps, ...(partitions ?? []).map(({ format }) => format)];
        } catch (error) {
          await source[Symbol.asyncDispose]();
          throw error;
        }
      };
      await put("12288");
      assert.deepEqual(await stepsOf(), ['gpt partition 2 "data"']);
      assert.deepEqual(await stepsOf("1"), ['gpt partition 1 "boot"']);
      assert.deepEqual(await stepsOf("data"), ['gpt partition 2 "data"']);
      await assert.rejects(stepsOf("3"), ofKind("not-found", /1 "boot", 2 "data"/));
      await put("2048");
      await assert.rejects(stepsOf(), ofKind("usage"));
      assert.deepEqual(await stepsOf(undefined, "inspect"), ["ext4", "ext4"]);

      await Deno.writeTextFile(`${dir}/note`, "words");
      await must("tar", ["cf", "image.tar", "note", "a.ext4"]);
      await must("tar", ["cf", "two.tar", "note", "a.ext4", "disk"]);
      await using image = await openImage(await openFile(`${dir}/image.tar`));
      assert.deepEqual(image.steps, ['tar member "a.ext4"']);
      assert.equal(image.format, "ext4");
      assert.equal(image.reader.sizeBytes, 2 << 20);
      await using two = await openFile(`${dir}/two.tar`);
      await assert.rejects(openImage(two), ofKind("usage", /"a\.ext4", "disk"/));
      await using named = await openImage(await openFile(`${dir}/two.tar`), {
        entry: "disk",
        partition: "boot",
      });
      assert.deepEqual(named.steps, ['tar member "disk"', 'gpt partition 1 "boot"']);
    }),
});
