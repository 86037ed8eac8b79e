import assert from "node:assert/strict";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { concat } from "../../../lib/bytes/concat.ts";
import { FastboopError } from "../../../lib/errors/errors.ts";
import { compressionAt, decompressAt } from "../../../lib/filesystems/cpio/decompress_at.ts";
import { encodeCpio } from "../../../lib/filesystems/cpio/encode_cpio.ts";
import { readInitramfs } from "../../../lib/filesystems/cpio/read_initramfs.ts";
import { hasTool, withTempDir } from "../foreign_tools.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

function archive(path: string, text: string): Uint8Array<ArrayBuffer> {
  return concat(encodeCpio([{ path, mode: 0o100644, data: bytesOf(text) }]));
}

const names = (bytes: Uint8Array) => readInitramfs(bytes).members.map(({ path }) => path);

async function xzOf(bytes: Uint8Array, ...args: string[]): Promise<Uint8Array> {
  return await withTempDir(async (folder) => {
    await Deno.writeFile(`${folder}/f`, bytes);
    const { stdout } = await new Deno.Command("xz", { args: [...args, "-c", `${folder}/f`] })
      .output();
    return stdout;
  });
}

Deno.test("readInitramfs() reads archives one after the other, plain and compressed", () => {
  const [one, two, three] = [archive("one", "1"), archive("two", "2"), archive("three", "3")];
  assert.deepEqual(names(one), ["one"]);
  const padded = concat([one, new Uint8Array(512), two, new Uint8Array(1000)]);
  assert.deepEqual(names(padded), ["one", "two"]);
  const early = concat([one, gzipSync(concat([two, new Uint8Array(8), three]))]);
  assert.deepEqual(names(early), ["one", "two", "three"]);
  const twice = concat([gzipSync(one), gzipSync(two), three]);
  assert.deepEqual(names(twice), ["one", "two", "three"]);
  const zstd = readInitramfs(concat([one, zstdCompressSync(two)]));
  assert.deepEqual(zstd.members.map(({ path }) => path), ["one", "two"]);
  assert.deepEqual([zstd.archiveCount, zstd.compressions], [2, ["zstd"]]);
  const behind = concat([zstdCompressSync(one), zstdCompressSync(two), new Uint8Array(5), three]);
  assert.deepEqual(names(behind), ["one", "two", "three"]);
});

Deno.test({
  name: "readInitramfs() reads an initramfs of xz, also with another archive behind it",
  ignore: !hasTool("xz"),
  async fn() {
    const packed = await xzOf(archive("one", "1".repeat(5000)), "--check=crc32");
    assert.deepEqual(names(packed), ["one"]);
    assert.deepEqual(names(concat([packed, archive("two", "2")])), ["one", "two"]);
  },
});

Deno.test("readInitramfs() refuses what is no initramfs, a bomb, and too many archives", () => {
  assert.throws(() => readInitramfs(new Uint8Array(4096)), { kind: "corrupt" });
  assert.throws(() => readInitramfs(bytesOf("#!/bin/sh")), { kind: "corrupt" });
  assert.throws(() => readInitramfs(concat([archive("a", ""), bytesOf("rest")])), {
    kind: "corrupt",
  });
  const bomb = gzipSync(new Uint8Array(1 << 20));
  assert.throws(() => readInitramfs(bomb, 1000), { kind: "limit" });
  assert.throws(() => readInitramfs(zstdCompressSync(new Uint8Array(1 << 20)), 1000), {
    kind: "limit",
  });
  const [one, two] = [archive("one", "1"), archive("two", "2")];
  const exact = concat([gzipSync(one), gzipSync(two)]);
  assert.equal(readInitramfs(exact, one.length + two.length).members.length, 2);
  assert.throws(() => readInitramfs(exact, one.length), { kind: "limit" });
  const many = (count: number) => concat(Array.from({ length: count }, () => archive("a", "")));
  assert.equal(readInitramfs(many(64)).archiveCount, 64);
  assert.equal(readInitramfs(gzipSync(many(64))).archiveCount, 64);
  assert.throws(() => readInitramfs(many(65)), { kind: "limit" });
  assert.throws(() => readInitramfs(gzipSync(many(65))), { kind: "limit" });
  const empty = gzipSync(new Uint8Array(8));
  const streams = concat(Array.from({ length: 65 }, () => empty));
  assert.throws(() => readInitramfs(streams), { kind: "limit" });
});

Deno.test("readInitramfs() names the compression it has no decoder for", () => {
  const lz4 = Uint8Array.of(0x02, 0x21, 0x4c, 0x18, 1, 0, 0, 0, 0);
  const bytes = concat([archive("early", "1"), lz4]);
  assert.throws(() => readInitramfs(bytes), { kind: "unsupported", message: /with lz4/ });
});

Deno.test("readInitramfs() takes 500,000 members in one archive or several, and no more", () => {
  const one = archive("a", "");
  const trailer = one.subarray(112);
  const many = (count: number) => {
    const bytes = new Uint8Array(count * 112 + trailer.length);
    for (let i = 0; i < count; i++) bytes.set(one.subarray(0, 112), i * 112);
    bytes.set(trailer, count * 112);
    return bytes;
  };
  const most = many(500_000);
  assert.equal(readInitramfs(most).members.length, 500_000);
  assert.throws(() => readInitramfs(zstdCompressSync(concat([one, most]))), { kind: "limit" });
  assert.throws(() => readInitramfs(many(500_001)), { kind: "limit" });
});

Deno.test("decompressAt() finds the end of a gzip member and sees every flipped byte", () => {
  const content = bytesOf("what the archive holds, and enough of it to be compressed ".repeat(20));
  const member = gzipSync(content);
  const inside = concat([bytesOf("12345"), member, bytesOf("what follows")]);
  assert.equal(compressionAt(inside, 5), "gzip");
  const { bytes, endBytes } = decompressAt(inside, 5, "gzip", 1 << 20);
  assert.deepEqual(new Uint8Array(bytes), content);
  assert.equal(endBytes, 5 + member.length);
  assert.deepEqual(decompressAt(inside, 5, "gzip", content.length).bytes.length, content.length);
  assert.throws(() => decompressAt(inside, 5, "gzip", content.length - 1), { kind: "limit" });
  // Header fields that carry nothing (time, level, system) may differ.
  for (let i = 10; i < member.length; i++) {
    const damaged = member.slice();
    damaged[i]! ^= 0x10;
    assert.throws(() => decompressAt(damaged, 0, "gzip", 1 << 20), FastboopError, `byte ${i}`);
  }
  for (let cut = 3; cut < member.length; cut++) {
    assert.throws(() => decompressAt(member.subarray(0, cut), 0, "gzip", 1 << 20), FastboopError);
  }
});

Deno.test("decompressAt() finds the end of a zstd frame and refuses a cut one", () => {
  const content = bytesOf("what the archive holds ".repeat(20_000));
  for (const checksumFlag of [0, 1]) {
    const params = { [constants.ZSTD_c_checksumFlag]: checksumFlag };
    const frame = zstdCompressSync(content, { params });
    const { bytes, endBytes } = decompressAt(concat([frame, frame]), 0, "zstd", content.length);
    assert.deepEqual(new Uint8Array(bytes), content);
    assert.equal(endBytes, frame.length);
    for (let cut = 4; cut < frame.length; cut++) {
      const part = frame.subarray(0, cut);
      assert.throws(() => decompressAt(part, 0, "zstd", 1 << 20), { kind: "corrupt" });
    }
  }
});

Deno.test({
  name: "decompressAt() takes gzip's header with a name in it",
  ignore: !hasTool("gzip"),
  async fn() {
    await withTempDir(async (folder) => {
      await Deno.writeTextFile(`${folder}/name.cpio`, "content");
      const { stdout } = await new Deno.Command("gzip", {
        args: ["-c", "-N", `${folder}/name.cpio`],
      }).output();
      const { bytes, endBytes } = decompressAt(stdout, 0, "gzip", 100);
      assert.equal(new TextDecoder().decode(bytes), "content");
      assert.equal(endBytes, stdout.length);
    });
  },
});
