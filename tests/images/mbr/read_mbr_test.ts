import assert from "node:assert/strict";
import { FastboopError } from "../../../lib/errors/errors.ts";
import { openMbrPartition } from "../../../lib/images/mbr/open_mbr_partition.ts";
import { LOGICAL_LIMIT } from "../../../lib/images/mbr/logical_partitions.ts";
import { type MbrTable, readMbr } from "../../../lib/images/mbr/read_mbr.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import { withTempDir } from "../../filesystems/foreign_tools.ts";
import { seededRandom } from "../../smoo/seeded_random.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { HAS_MBR_TOOLS, makeDisk, must, partx } from "../disk_images.ts";

const MIB = 1 << 20;
/** Three primaries, one of them extended, and three logical partitions. */
const SCRIPT = `label: dos
label-id: 0x0b2c3d4e
size=1M, type=c, bootable
size=8M, type=5
size=1M, type=83
size=1M, type=83
size=1M, type=82
size=2M, type=83
size=1M, type=83
`;
/** Of the extended partition, in bytes. */
const EXTENDED = 2 * MIB;

async function sfdisk(script: string, sizeBytes = 16 * MIB): Promise<Uint8Array> {
  return await withTempDir(async (folder) => {
    const path = await makeDisk(`${folder}/disk`, sizeBytes);
    await must("sfdisk", ["-q", path], script);
    return await Deno.readFile(path);
  });
}

const read = (bytes: Uint8Array) => readMbr(new MemoryReader(bytes, "disk"));

/** The table in the words of partx. */
function rowsOf(table: MbrTable | undefined) {
  return table?.partitions.map((partition) => ({
    number: partition.index + 1,
    start: partition.offsetBytes,
    count: partition.sizeBytes,
    type: `0x${partition.type.toString(16)}`,
    uuid: partition.partuuid,
    name: "",
  }));
}

Deno.test({
  name: "readMbr() gives what partx sees in a table of sfdisk, logical partitions too",
  ignore: !HAS_MBR_TOOLS,
  async fn() {
    await withTempDir(async (folder) => {
      const path = await makeDisk(`${folder}/disk`, 16 * MIB);
      await must("sfdisk", ["-q", path], SCRIPT);
      const rows = await partx(path, 512);
      assert.deepEqual(rows.map(({ number }) => number), [1, 2, 3, 4, 5, 6, 7]);
      const table = await read(await Deno.readFile(path));
      assert.deepEqual(rowsOf(table), rows);
      assert.equal(table?.isProtective, false);
      assert.equal(table.partitions[1]!.offsetBytes, EXTENDED);
      const extended = table.partitions.filter(({ isExtended }) => isExtended);
      assert.deepEqual(extended.map(({ index }) => index), [1]);
    });
  },
});

Deno.test({
  name: "readMbr() keeps the numbers of logical partitions whatever primaries there are",
  ignore: !HAS_MBR_TOOLS,
  async fn() {
    const bytes = await sfdisk("label: dos\nsize=8M, type=f\nstart=6144, size=1M\n");
    const table = await read(bytes);
    assert.deepEqual(table?.partitions.map(({ index }) => index), [0, 4]);
    // An extended partition nobody has put anything into has no record.
    bytes.fill(0, MIB, MIB + 512);
    assert.deepEqual((await read(bytes))?.partitions.map(({ index }) => index), [0]);
  },
});

Deno.test({
  name: "readMbr() refuses a chain of records that loops, leaves, breaks off or never ends",
  ignore: !HAS_MBR_TOOLS,
  async fn() {
    const whole = await sfdisk(SCRIPT);
    const attempt = async (change: (bytes: Uint8Array, link: DataView) => void) => {
      const bytes = whole.slice();
      change(bytes, new DataView(bytes.buffer, EXTENDED + 0x1ce));
      return await read(bytes);
    };
    assert.equal((await attempt(() => {}))?.partitions.length, 7);
    const next = new DataView(whole.buffer, EXTENDED + 0x1ce).getUint32(8, true);
    await assert.rejects(
      attempt((_, link) => link.setUint32(8, 0, true)),
      ofKind("corrupt", /back to LBA 4096/),
    );
    await assert.rejects(
      attempt((_, link) => link.setUint32(8, 16_384, true)),
      ofKind("corrupt", /outside the extended/),
    );
    await assert.rejects(
      attempt((bytes) => bytes.fill(0, EXTENDED + next * 512, EXTENDED + next * 512 + 512)),
      ofKind("corrupt", /no record/),
    );
    await assert.rejects(
      read(whole.subarray(0, EXTENDED + next * 512)),
      ofKind("corrupt", /behind the end/),
    );
    await assert.rejects(
      attempt((bytes) => {
        const record = bytes.slice(EXTENDED, EXTENDED + 512);
        const view = new DataView(record.buffer);
        for (let i = 0; i <= LOGICAL_LIMIT; i++) {
          view.setUint32(0x1ce + 8, i + 1, true);
          bytes.set(record, EXTENDED + i * 512);
        }
      }),
      ofKind("limit"),
    );
  },
});

Deno.test("readMbr() finds no table in zeros, in other boot sectors and in less than a sector", async () => {
  assert.equal(await read(new Uint8Array(1024)), undefined);
  assert.equal(await read(new Uint8Array(511)), undefined);
  const sector = new Uint8Array(512);
  sector.set([0x55, 0xaa], 510);
  sector[0x1be + 16] = 0x41;
  assert.equal(await read(sector), undefined);
});

Deno.test({
  name: "openMbrPartition() opens by index and PARTUUID, logical partitions too",
  ignore: !HAS_MBR_TOOLS,
  async fn() {
    const bytes = await sfdisk(SCRIPT);
    const logical = (await read(bytes))!.partitions[5]!;
    assert.deepEqual([logical.index, logical.sizeBytes], [5, 2 * MIB]);
    bytes.set([5, 6, 7], logical.offsetBytes);
    const source = new MemoryReader(bytes, "disk");
    for (const selector of [{ index: 5 }, { partuuid: "0B2C3D4E-06" }]) {
      await using reader = await openMbrPartition(source, selector, {});
      const start = new Uint8Array(3);
      await reader.readAt(0, start);
      assert.deepEqual([reader.sizeBytes, ...start], [2 * MIB, 5, 6, 7]);
    }
    const open = (selector: Parameters<typeof openMbrPartition>[1]) =>
      openMbrPartition(source, selector, {});
    await assert.rejects(open({ index: 1 }), ofKind("usage", /extended/));
    await assert.rejects(open({ index: 7 }), ofKind("usage", /no index 7; there are 0 \(1 MiB\)/));
    await assert.rejects(open({ partuuid: "0b2c3d4e-6" }), ofKind("usage"));
    await assert.rejects(open({}), ofKind("usage"));
    await assert.rejects(open({ index: 0, partuuid: "x" }), ofKind("usage"));
    await assert.rejects(open({ index: 0, lbaSizeBytes: 4096 }), ofKind("corrupt"));
    const cut = new MemoryReader(bytes.subarray(0, 12 * MIB - 512), "cut");
    await assert.rejects(openMbrPartition(cut, { index: 3 }, {}), ofKind("corrupt"));
    const zeros = new MemoryReader(new Uint8Array(512), "zeros");
    await assert.rejects(openMbrPartition(zeros, { index: 0 }, {}), ofKind("unsupported"));
  },
});

Deno.test({
  name: "readMbr() answers damaged tables with a table or a typed error",
  ignore: !HAS_MBR_TOOLS,
  async fn() {
    const whole = await sfdisk(SCRIPT);
    const records = [0, EXTENDED, EXTENDED + 2 * MIB];
    const random = seededRandom(4711);
    const bytes = whole.slice();
    let refused = 0;
    for (let i = 0; i < 2000; i++) {
      const undo: [number, number][] = [];
      for (let changes = 1 + random(4); changes > 0; changes--) {
        const at = records[random(records.length)]! + 0x1be + random(66);
        undo.unshift([at, bytes[at]!]);
        bytes[at] = random(2) ? random(256) : 0;
      }
      try {
        await read(bytes);
      } catch (error) {
        assert.ok(error instanceof FastboopError && error.kind === "corrupt", String(error));
        refused++;
      }
      for (const [at, value] of undo) bytes[at] = value;
    }
    assert.ok(refused > 50 && refused < 2000, String(refused));
    assert.deepEqual(bytes, whole);
  },
});
