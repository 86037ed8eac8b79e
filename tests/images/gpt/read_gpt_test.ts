import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { openGptPartition } from "../../../lib/images/gpt/open_gpt_partition.ts";
import { type GptTable, readGpt } from "../../../lib/images/gpt/read_gpt.ts";
import { FastboopError } from "../../../lib/errors/errors.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import { withTempDir } from "../../filesystems/foreign_tools.ts";
import { seededRandom } from "../../smoo/seeded_random.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { HAS_GPT_TOOLS, makeDisk, must, partx } from "../disk_images.ts";

const MIB = 1 << 20;
const DISK_BYTES = 8 * MIB;
const HEADER_BYTES = 92;
const TABLE_BYTES = 128 * 128;

/** Slots 0, 2 and 3, as sgdisk writes them. */
async function sgdisk(folder: string): Promise<string> {
  const path = await makeDisk(`${folder}/disk`, DISK_BYTES);
  await must("sgdisk", [
    ...["-n", "1:0:+1M", "-t", "1:ef00", "-c", "1:EFI System"],
    ...["-n", "3:0:+2M", "-t", "3:8305", "-c", "3:r\u00f6ot \u4e2d", "-A", "3:set:60"],
    ...["-n", "4:0:0", "-c", "4:last", path],
  ]);
  return path;
}

let made: Promise<Uint8Array> | undefined;

/** Of one run: sgdisk waits a second each time for a kernel that does not care. */
async function gptBytes(): Promise<Uint8Array> {
  made ??= withTempDir(async (folder) => await Deno.readFile(await sgdisk(folder)));
  return (await made).slice();
}

const read = (bytes: Uint8Array, lbaSizeBytes?: number) =>
  readGpt(new MemoryReader(bytes, "disk"), lbaSizeBytes === undefined ? {} : { lbaSizeBytes });

/** The table in the words of partx. */
function rowsOf(table: GptTable | undefined) {
  return table?.partitions.map((partition) => ({
    number: partition.index + 1,
    start: partition.offsetBytes,
    count: partition.sizeBytes,
    type: partition.typeGuid,
    uuid: partition.partuuid,
    name: partition.label,
  }));
}

Deno.test({
  name: "readGpt() gives what partx sees in a table of sgdisk",
  ignore: !HAS_GPT_TOOLS,
  async fn() {
    await withTempDir(async (folder) => {
      const path = await sgdisk(folder);
      const bytes = await Deno.readFile(path);
      const table = await read(bytes);
      const rows = await partx(path, 512);
      assert.equal(rows.length, 3);
      assert.deepEqual(rowsOf(table), rows);
      assert.deepEqual([table?.lbaSizeBytes, table?.usedBackup], [512, false]);
      await assert.rejects(read(bytes, 500), ofKind("usage"));
      assert.equal(await read(bytes, 4096), undefined);
    });
  },
});

/**
 * The same table for LBAs of 4096 bytes, which no tool writes into a file; partx judges it. Entries take
 * LBAs 2 to 5, their copy the five before the last one.
 */
function withLargeLbas(small: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16 * MIB);
  const last = bytes.length / 4096 - 1;
  bytes.set(small.subarray(0, 512));
  const entries = small.slice(1024, 1024 + TABLE_BYTES);
  const entriesView = new DataView(entries.buffer);
  for (const [slot, first, end] of [[0, 6, 261], [2, 512, 1023], [3, 1024, last - 5]]) {
    entriesView.setUint32(slot! * 128 + 32, first!, true);
    entriesView.setUint32(slot! * 128 + 40, end!, true);
  }
  for (const [own, other, table] of [[1, last, 2], [last, 1, last - 4]]) {
    const header = small.slice(512, 512 + HEADER_BYTES);
    const view = new DataView(header.buffer);
    const fields = [[24, own], [32, other], [40, 6], [48, last - 5], [72, table]];
    for (const [offset, lba] of fields) view.setUint32(offset!, lba!, true);
    view.setUint32(88, crc32(entries), true);
    view.setUint32(16, 0, true);
    view.setUint32(16, crc32(header), true);
    bytes.set(header, own! * 4096);
    bytes.set(entries, table! * 4096);
  }
  return bytes;
}

Deno.test({
  name: "readGpt() finds out that the LBAs have 4096 bytes",
  ignore: !HAS_GPT_TOOLS,
  async fn() {
    await withTempDir(async (folder) => {
      const bytes = withLargeLbas(await gptBytes());
      await Deno.writeFile(`${folder}/disk`, bytes);
      const rows = await partx(`${folder}/disk`, 4096);
      assert.deepEqual(rows.map(({ start }) => start), [24 << 10, 2 * MIB, 4 * MIB]);
      for (const given of [undefined, 4096]) {
        const table = await read(bytes, given);
        assert.deepEqual(rowsOf(table), rows);
        assert.deepEqual([table?.lbaSizeBytes, table?.usedBackup], [4096, false]);
      }
      assert.equal(await read(bytes, 512), undefined);
      bytes.fill(0, 4096, 8192);
      await Deno.writeFile(`${folder}/disk`, bytes);
      assert.deepEqual(await partx(`${folder}/disk`, 4096), rows);
      const backup = await read(bytes);
      assert.deepEqual(rowsOf(backup), rows);
      assert.deepEqual([backup?.lbaSizeBytes, backup?.usedBackup], [4096, true]);
    });
  },
});

Deno.test({
  name: "readGpt() uses the backup for each byte of the primary that is wrong",
  ignore: !HAS_GPT_TOOLS,
  async fn() {
    const bytes = await gptBytes();
    const whole = await read(bytes);
    const used = Array.from({ length: 4 * 128 }, (_, i) => 1024 + i);
    const places = [...Array.from({ length: HEADER_BYTES }, (_, i) => 512 + i), ...used, 17_407];
    for (const at of places) {
      bytes[at]! ^= 0x10;
      assert.deepEqual(await read(bytes), { ...whole, usedBackup: true }, `byte ${at}`);
      bytes[at]! ^= 0x10;
    }
    // Bytes behind the entries and the header are nobody's.
    for (const at of [17_408, 512 + HEADER_BYTES]) {
      bytes[at]! ^= 0x10;
      assert.deepEqual(await read(bytes), whole);
      bytes[at]! ^= 0x10;
    }
    bytes.fill(0, 0, 17_408);
    assert.deepEqual(await read(bytes), { ...whole, usedBackup: true });
  },
});

Deno.test({
  name: "readGpt() finds the backup where the primary says when the image has grown",
  ignore: !HAS_GPT_TOOLS,
  async fn() {
    const bytes = await gptBytes();
    const grown = new Uint8Array(bytes.length + 5 * MIB);
    grown.set(bytes);
    const whole = await read(grown);
    grown[1024]! ^= 1;
    assert.deepEqual(await read(grown), { ...whole, usedBackup: true });
    grown.fill(0, 512, 1024);
    assert.equal(await read(grown), undefined);
  },
});

Deno.test({
  name: "readGpt() says what is wrong with both copies, and finds nothing where there is nothing",
  ignore: !HAS_GPT_TOOLS,
  async fn() {
    const bytes = await gptBytes();
    bytes[512 + 16]! ^= 1;
    bytes[bytes.length - 512 + 88]! ^= 1;
    await assert.rejects(read(bytes), ofKind("corrupt", /primary at byte 512 .*; the backup at/));
    bytes.fill(0, 512, 1024);
    await assert.rejects(read(bytes), ofKind("corrupt", /the backup/));
    bytes.fill(0, bytes.length - 512);
    assert.equal(await read(bytes), undefined);
    assert.equal(await read(new Uint8Array(100)), undefined);
    assert.equal(await read(new Uint8Array()), undefined);
  },
});

Deno.test({
  name: "openGptPartition() opens by label, GUID and slot, from a trimmed image too",
  ignore: !HAS_GPT_TOOLS,
  async fn() {
    const bytes = await gptBytes();
    const table = await read(bytes);
    const root = table!.partitions[1]!;
    bytes.set([1, 2, 3, 4], root.offsetBytes);
    const trimmed = new MemoryReader(bytes.subarray(0, root.offsetBytes + root.sizeBytes), "disk");
    const selectors = [
      { partlabel: "r\u00f6ot \u4e2d" },
      { partuuid: root.partuuid.toUpperCase() },
      { partuuid: root.partuuid.replaceAll("-", "") },
      { index: 2 },
      { index: 2, lbaSizeBytes: 512 },
    ];
    for (const selector of selectors) {
      await using reader = await openGptPartition(trimmed, selector, {});
      assert.equal(reader.sizeBytes, root.sizeBytes);
      assert.match(reader.identity, /^gpt-partition:\(disk\):index=2:/);
      const start = new Uint8Array(4);
      await reader.readAt(0, start);
      assert.deepEqual([...start], [1, 2, 3, 4]);
      await assert.rejects(reader.readAt(root.sizeBytes, start), ofKind("limit"));
    }
    await assert.rejects(
      openGptPartition(trimmed, { index: 3 }, {}),
      ofKind("corrupt", /partition 3 ends/),
    );
    const missing: [Parameters<typeof openGptPartition>[1], RegExp][] = [
      [{ index: 1 }, /no index 1; there are 0 "EFI System" \(1 MiB\), 2 "r/],
      [{ partlabel: "efi system" }, /no label/],
      [{ partlabel: "last " }, /no label/],
      [{ partuuid: root.typeGuid }, /no PARTUUID/],
      [{}, /must be one/],
      [{ index: 1, partlabel: "last" }, /must be one/],
    ];
    for (const [selector, message] of missing) {
      await assert.rejects(openGptPartition(trimmed, selector, {}), ofKind("usage", message));
    }
    const empty = new MemoryReader(new Uint8Array(4096), "zeros");
    await assert.rejects(openGptPartition(empty, { index: 0 }, {}), ofKind("unsupported"));
  },
});

Deno.test({
  name: "openGptPartition() does not choose among equal labels",
  ignore: !HAS_GPT_TOOLS,
  async fn() {
    await withTempDir(async (folder) => {
      const path = await sgdisk(folder);
      await must("sgdisk", ["-c", "1:last", path]);
      const source = new MemoryReader(await Deno.readFile(path), "disk");
      const attempt = openGptPartition(source, { partlabel: "last" }, {});
      await assert.rejects(attempt, ofKind("usage", /0 "last" .*, 3 "last"/));
    });
  },
});

/** Makes the checksums of the primary right again, so that what it says is believed. */
function seal(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer);
  const tableBytes = view.getUint32(592, true) * view.getUint32(596, true);
  const entries = bytes.subarray(1024, 1024 + Math.min(tableBytes, TABLE_BYTES));
  view.setUint32(600, crc32(entries), true);
  const header = bytes.slice(512, 512 + HEADER_BYTES);
  header.fill(0, 16, 20);
  view.setUint32(528, crc32(header), true);
}

Deno.test({
  name: "readGpt() bounds what a sealed header claims",
  ignore: !HAS_GPT_TOOLS,
  async fn() {
    const whole = await gptBytes();
    const claims: [(view: DataView) => void, RegExp][] = [
      [(view) => view.setUint32(512 + 80, 0xffffffff, true), /more than 16777216/],
      [(view) => view.setUint32(512 + 84, 0xfffffff8, true), /more than 16777216/],
      [(view) => view.setUint32(512 + 84, 64, true), /entries of 64 bytes/],
      [(view) => view.setUint32(512 + 80, 131_072, true), /outside the image/],
      [(view) => view.setUint32(512 + 76, 0xffffffff, true), /outside the image/],
      [(view) => view.setUint32(512 + 24, 2, true), /made for LBA 2/],
      [(view) => view.setUint32(512 + 12, 4096, true), /4096 bytes/],
      [(view) => view.setUint32(512 + 12, 91, true), /91 bytes/],
      [(view) => view.setUint32(1024 + 44, 0x7fffffff, true), /entry 0/],
      [(view) => view.setUint32(1024 + 40, 5, true), /entry 0 from LBA 2048 to 5/],
    ];
    for (const [claim, message] of claims) {
      const bytes = whole.slice();
      bytes.fill(0, bytes.length - 512);
      claim(new DataView(bytes.buffer));
      seal(bytes);
      await assert.rejects(read(bytes), ofKind("corrupt", message), String(claim));
    }
  },
});

Deno.test({
  name: "readGpt() answers damaged and sealed headers with a table or a typed error",
  ignore: !HAS_GPT_TOOLS,
  async fn() {
    const whole = await gptBytes();
    const random = seededRandom(2711);
    let refused = 0;
    for (let i = 0; i < 1000; i++) {
      const bytes = whole.slice(0, 64 << 10);
      for (let changes = 1 + random(4); changes > 0; changes--) {
        bytes[512 + (random(2) ? random(HEADER_BYTES) : 512 + random(512))] = random(256);
      }
      if (random(4) > 0) seal(bytes);
      try {
        for (const { offsetBytes, sizeBytes } of (await read(bytes))?.partitions ?? []) {
          assert.ok(Number.isSafeInteger(offsetBytes + sizeBytes) && sizeBytes > 0);
        }
      } catch (error) {
        assert.ok(error instanceof FastboopError && error.kind === "corrupt", String(error));
        refused++;
      }
    }
    assert.ok(refused > 100 && refused < 1000, String(refused));
  },
});
