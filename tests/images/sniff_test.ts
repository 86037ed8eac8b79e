import assert from "node:assert/strict";
import { sniffRootImage } from "../../lib/images/sniff.ts";
import { MemoryReader } from "../../lib/sources/memory.ts";
import type { Reader } from "../../lib/sources/reader.ts";
import { readFixture } from "../support/fixture.ts";

function imageOf(write: (view: DataView) => void, sizeBytes = 4096): Reader {
  const bytes = new Uint8Array(sizeBytes);
  write(new DataView(bytes.buffer));
  return new MemoryReader(bytes, "test");
}

Deno.test("sniffRootImage() tells what mkfs.erofs and mke2fs wrote", async () => {
  const sniff = async (file: string) =>
    await sniffRootImage(new MemoryReader(await readFixture(file), file));
  assert.deepEqual(await sniff("erofs-4096.img"), { filesystem: "erofs", blockSizeBytes: 4096 });
  assert.deepEqual(await sniff("ext4-1024.img"), { filesystem: "ext4", blockSizeBytes: 1024 });
});

Deno.test("sniffRootImage() is undefined for anything else", async () => {
  assert.equal(await sniffRootImage(imageOf(() => {})), undefined);
  assert.equal(await sniffRootImage(imageOf(() => {}, 100)), undefined);
});

Deno.test("sniffRootImage() refuses a block size no kernel accepts", async () => {
  for (const bits of [0, 8, 17, 255]) {
    const image = imageOf((view) => {
      view.setUint32(1024, 0xe0f5e1e2, true);
      view.setUint8(1036, bits);
    });
    await assert.rejects(sniffRootImage(image), { kind: "corrupt" });
  }
  const image = imageOf((view) => {
    view.setUint16(1080, 0xef53, true);
    view.setUint32(1048, 0xffffffff, true);
  });
  await assert.rejects(sniffRootImage(image), { kind: "corrupt" });
});
