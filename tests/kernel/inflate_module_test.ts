import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { inflateModule } from "../../lib/kernel/inflate_module.ts";
import { zstdContentSize } from "../../lib/kernel/zstd_content_size.ts";
import { expectError } from "./expect_error.ts";
import { moduleElf } from "./fixture_tree.ts";
import { hasProgram } from "./real_trees.ts";

const PLAIN = moduleElf();
/** Does not compress, so that a cut is a cut of the content. */
const NOISE = new Uint8Array(300_000);
for (let i = 0, state = 1; i < NOISE.length; i++) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  NOISE[i] = state;
}

Deno.test("inflateModule() undoes gzip and zstd and leaves plain modules alone", async () => {
  assert.deepEqual(await inflateModule(PLAIN, "a.ko"), PLAIN);
  assert.deepEqual(new Uint8Array(await inflateModule(gzipSync(PLAIN), "a.ko.gz")), PLAIN);
  assert.deepEqual(new Uint8Array(await inflateModule(zstdCompressSync(PLAIN), "a.ko.zst")), PLAIN);
});

Deno.test("inflateModule() finds streams that are cut or broken", async () => {
  const gzip = gzipSync(NOISE);
  const zstd = zstdCompressSync(NOISE);
  await expectError("corrupt", () => inflateModule(gzip.subarray(0, -5), "a.ko.gz"));
  await expectError("corrupt", () => inflateModule(NOISE, "a.ko.gz"));
  await expectError("corrupt", () => inflateModule(NOISE, "a.ko.zst"));
  if (zstdContentSize(zstd) !== undefined) {
    await expectError("corrupt", () => inflateModule(zstd.subarray(0, 150_000), "a.ko.zst"));
  }
});

Deno.test("inflateModule() stops at its limit", async () => {
  const bomb = gzipSync(new Uint8Array((256 << 20) + 1), { level: 1 });
  await expectError("limit", () => inflateModule(bomb, "a.ko.gz"));
});

Deno.test("inflateModule() hands xz to its decoder, and says so without one", async () => {
  await expectError("unsupported", () => inflateModule(PLAIN, "a.ko.xz"), "xz", "ZSTD");
  assert.equal(
    await inflateModule(new Uint8Array(3), "a.ko.xz", () => Promise.resolve(PLAIN)),
    PLAIN,
  );
});

Deno.test({
  name: "zstdContentSize() reads every size the zstd tool declares, and a cut is found",
  ignore: !hasProgram("zstd"),
  fn: async () => {
    const dir = await Deno.makeTempDir();
    try {
      for (const sizeBytes of [14, 200, 256, 70_000, 300_000]) {
        await Deno.writeFile(`${dir}/m`, NOISE.subarray(0, sizeBytes));
        const args = ["-q", "-f", `${dir}/m`, "-o", `${dir}/m.zst`];
        assert.ok((await new Deno.Command("zstd", { args }).output()).success);
        const stored = await Deno.readFile(`${dir}/m.zst`);
        assert.equal(zstdContentSize(stored), sizeBytes);
        const plain = await inflateModule(stored, "m.ko.zst");
        assert.deepEqual(new Uint8Array(plain), NOISE.subarray(0, sizeBytes));
      }
      const cut = (await Deno.readFile(`${dir}/m.zst`)).subarray(0, 140_000);
      await expectError("corrupt", () => inflateModule(cut, "m.ko.zst"));
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});
