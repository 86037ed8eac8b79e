import assert from "node:assert/strict";
import { openGzip } from "../../../lib/images/gzip/open_gzip.ts";
import { MemorySpill } from "../../../lib/sources/memory_spill.ts";
import { spillFilesIn } from "../../../lib/sources/spill_file.ts";
import { hasTool, run, withTempDir } from "../../filesystems/foreign_tools.ts";
import { FaultyReader } from "../../support/faulty_reader.ts";
import { expectError } from "../../kernel/expect_error.ts";
import {
  assertSameBytes,
  assertSameReads,
  compress,
  content,
  join,
  memory,
  outcomeOf,
} from "../decoded_readers.ts";

const ignore = !hasTool("gzip");
const PLAIN = content(700_000);

Deno.test({
  name: "openGzip() reads what gzip writes: members, names, padding",
  ignore,
  fn: async () => {
    const named = await withTempDir(async (path) => {
      await Deno.writeFile(`${path}/a name`, PLAIN);
      assert.equal((await run("gzip", ["-1", `${path}/a name`])).code, 0);
      return await Deno.readFile(`${path}/a name.gz`);
    });
    const parts = [PLAIN, content(0), content(300_000, 7), content(1)];
    const members = [named];
    for (const part of parts.slice(1)) members.push(await compress("gzip", part, "-9"));
    const stored = join(...members, new Uint8Array(513));
    await withTempDir(async (path) => {
      await using reader = await openGzip(memory(stored), { spill: spillFilesIn(path) });
      await assertSameReads(reader, join(...parts));
      assert.equal([...Deno.readDirSync(path)].length, 0, "the scratch file has no name");
    });
    assertSameBytes(await compress("gzip", stored.subarray(0, -513), "-d"), join(...parts));
  },
});

Deno.test({
  name: "openGzip() reads headers with every field",
  ignore,
  fn: async () => {
    const plain = content(1000);
    const stored = await compress("gzip", plain, "-n");
    const fields = [4, 0, 1, 2, 3, 4, 110, 0, 99, 0];
    const header = stored.slice(0, 10);
    header[3] = 4 + 8 + 16;
    const whole = join(header, new Uint8Array(fields), stored.subarray(10));
    assertSameBytes(await compress("gzip", whole, "-d"), plain);
    await using reader = await openGzip(memory(whole));
    await assertSameReads(reader, plain);
    header[3] = 0x20;
    await expectError("unsupported", () => openGzip(memory(join(header, stored.subarray(10)))));
  },
});

Deno.test({
  name: "openGzip() answers truncation, flipped bytes and what follows with a typed error",
  ignore,
  fn: async () => {
    const plain = content(3000);
    const one = await compress("gzip", plain, "-n");
    const stored = join(one, one);
    const whole = join(plain, plain);
    for (let length = 0; length < stored.length; length++) {
      const outcome = await outcomeOf(openGzip, stored.subarray(0, length), plain, `cut ${length}`);
      assert.equal(outcome, length === one.length ? "same" : "corrupt", `cut at ${length}`);
    }
    const kinds = new Map<string, number>();
    for (let at = 0; at < stored.length; at += at < 20 ? 1 : 3) {
      const bytes = stored.slice();
      bytes[at]! ^= [1, 0x80, 0xff][at % 3]!;
      const outcome = await outcomeOf(openGzip, bytes, whole, `byte ${at}`);
      // Flags, time, level, system, and bits before a stored block say nothing about the content.
      const place = at % one.length;
      if (outcome === "same") assert.ok(place >= 3 && place <= 10, `byte ${at}`);
      kinds.set(outcome, (kinds.get(outcome) ?? 0) + 1);
    }
    assert.ok(kinds.get("corrupt")! > 100);
    await expectError(
      "corrupt",
      () => openGzip(memory(join(one, new Uint8Array([0, 1])))),
      "follows",
    );
  },
});

Deno.test({
  name: "openGzip() stops a bomb at its limits, and a reader's stop; the source stays the caller's",
  ignore,
  fn: async () => {
    const stored = await compress("gzip", new Uint8Array(64 << 20), "-9");
    const source = new FaultyReader(stored);
    const spill = () => Promise.resolve(new MemorySpill(1 << 20));
    await expectError("limit", () => openGzip(source, { spill }), "1048576");
    await expectError("limit", () => openGzip(source, { maxOutputBytes: 1 << 20 }), "1048576");
    const empty = await compress("gzip", new Uint8Array(0), "-n");
    const many = join(...Array.from({ length: 3000 }, () => empty));
    await expectError("limit", () => openGzip(memory(many)), "nearly empty");
    const controller = new AbortController();
    const opening = openGzip(source, { signal: controller.signal });
    controller.abort();
    await expectError("cancelled", () => opening);
    const failing = new FaultyReader(stored, () => ({ fail: true }));
    await expectError("source", () => openGzip(failing));
    assert.equal(source.disposed, false);
  },
});
