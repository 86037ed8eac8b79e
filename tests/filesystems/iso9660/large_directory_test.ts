/** Directories as large as the reader allows, made by hand: what no tool writes. */
import assert from "node:assert/strict";
import { openIso9660 } from "../../../lib/filesystems/iso9660/open_iso9660.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import { ofKind } from "../../support/expect_kind.ts";

const SECTOR_BYTES = 2048;
const RECORD_BYTES = 34;
const ROOT_SECTOR = 18;
const MORE_EXTENTS = 0x80;
const MEMORY_BYTES = 256 << 20;

/** An image whose root has `count` records named "a"; `flagsOf` tells their flags. */
function imageOf(count: number, flagsOf: (i: number) => number = () => 0): Uint8Array {
  const perSector = Math.floor(SECTOR_BYTES / RECORD_BYTES);
  const rootSectors = Math.ceil(count / perSector);
  const image = new Uint8Array((ROOT_SECTOR + rootSectors) * SECTOR_BYTES);
  const view = new DataView(image.buffer);
  const both = (at: number, value: number) => {
    view.setUint32(at, value, true);
    view.setUint32(at + 4, value, false);
  };
  const put = (at: number, size: number, flags: number, name: number) => {
    image[at] = RECORD_BYTES;
    both(at + 2, ROOT_SECTOR);
    both(at + 10, size);
    image[at + 25] = flags;
    image[at + 32] = 1;
    image[at + 33] = name;
  };
  for (const [sector, type] of [[16, 1], [17, 255]] as const) {
    image.set([type, ...new TextEncoder().encode("CD001"), 1], sector * SECTOR_BYTES);
  }
  both(16 * SECTOR_BYTES + 80, image.length / SECTOR_BYTES);
  view.setUint16(16 * SECTOR_BYTES + 128, SECTOR_BYTES, true);
  view.setUint16(16 * SECTOR_BYTES + 130, SECTOR_BYTES, false);
  put(16 * SECTOR_BYTES + 156, rootSectors * SECTOR_BYTES, 2, 0);
  for (let i = 0; i < count; i++) {
    const sector = ROOT_SECTOR + Math.floor(i / perSector);
    put(sector * SECTOR_BYTES + (i % perSector) * RECORD_BYTES, 1, flagsOf(i), 0x61);
  }
  return image;
}

async function list(image: Uint8Array) {
  await using tree = await openIso9660(new MemoryReader(image, "image"));
  return await tree.list("");
}

Deno.test("openIso9660() allows a file 2048 extents", async () => {
  const extents = (count: number) => imageOf(count, (i) => i < count - 1 ? MORE_EXTENTS : 0);
  assert.deepEqual((await list(extents(2048))).map(({ sizeBytes }) => sizeBytes), [2048]);
  await assert.rejects(list(extents(2049)), ofKind("limit", /2048 extents/));
});

Deno.test("openIso9660() takes the records of a large directory one by one", async () => {
  const images = [
    [imageOf(900_000), ofKind("corrupt", /twice/)],
    [imageOf(900_000, () => MORE_EXTENTS), ofKind("limit", /extents/)],
  ] as const;
  for (const [image, expected] of images) {
    const before = Deno.memoryUsage().rss;
    await assert.rejects(list(image), expected);
    const grown = Deno.memoryUsage().rss - before;
    assert.ok(grown < MEMORY_BYTES, `memory grew by ${grown} bytes`);
  }
});
