import assert from "node:assert/strict";
import { FastboopError } from "../../../lib/errors/errors.ts";
import { planStrip, type StripPlan } from "../../../lib/kernel/native_modules/strip_plan.ts";
import { StrippedReader } from "../../../lib/kernel/native_modules/stripped_reader.ts";
import type { ByteRange } from "../../../lib/kernel/native_modules/section_table.ts";
import { MemoryReader } from "../../../lib/sources/memory.ts";
import { expectError } from "../expect_error.ts";
import { elf, moduleElf, temporary } from "../fixture_tree.ts";
import { hasProgram } from "../real_trees.ts";
import { compareStripped, run } from "./compare_stripped.ts";
import { debugObject, TOOLCHAINS } from "./debug_object.ts";

function plan(bytes: Uint8Array, asked: ByteRange[] = []): StripPlan | undefined {
  const parser = planStrip(bytes.length, "x.ko");
  let step = parser.next();
  while (!step.done) {
    const { offsetBytes, sizeBytes } = step.value;
    asked.push(step.value);
    assert.ok(offsetBytes + sizeBytes <= bytes.length, "asks for bytes past the file");
    step = parser.next(bytes.subarray(offsetBytes, offsetBytes + sizeBytes));
  }
  return step.value;
}

async function strip(bytes: Uint8Array): Promise<Uint8Array> {
  const reader = new StrippedReader(new MemoryReader(bytes, "x.ko"), plan(bytes)!);
  const stripped = new Uint8Array(reader.sizeBytes);
  await reader.readAt(0, stripped);
  return stripped;
}

const text = (name: string, content: string) => ({ name, data: new TextEncoder().encode(content) });

for (const { arch, prefix } of TOOLCHAINS) {
  const ignore = !["gcc", "ld", "strip", "nm"].every((tool) => hasProgram(prefix + tool)) ||
    !hasProgram("readelf");
  for (
    const flags of [["-g"], ["-g3"], ["-g", "-gz"], ["-g", "-gdwarf-4", "-ffunction-sections"]]
  ) {
    Deno.test({
      name: `planStrip() leaves of ${arch} ${flags.join(" ")} what strip --strip-debug leaves`,
      ignore,
      fn: async () => {
        await using dir = await temporary();
        const path = await debugObject(dir.path, prefix, flags);
        await run(`${prefix}strip`, "--strip-debug", "-o", `${dir.path}/theirs`, path);
        const bytes = await Deno.readFile(path);
        const ours = await strip(bytes);
        await Deno.writeFile(`${dir.path}/ours`, ours);
        await compareStripped(`${dir.path}/ours`, `${dir.path}/theirs`, `${prefix}nm`);
        assert.ok(ours.length < bytes.length / (flags[0] === "-g3" ? 2 : 1.2));
        // What it makes has nothing left to strip.
        assert.equal(plan(ours), undefined);
      },
    });
  }
}

Deno.test({
  name: "compareStripped() fails on a flipped byte of contents, symbols and relocations",
  ignore: !["gcc", "ld", "strip", "nm", "readelf"].every(hasProgram),
  fn: async () => {
    await using dir = await temporary();
    const path = await debugObject(dir.path, "", ["-g"]);
    await run("strip", "--strip-debug", "-o", `${dir.path}/theirs`, path);
    const ours = await strip(await Deno.readFile(path));
    const sections = (await run("readelf", "-SW", `${dir.path}/theirs`)).split("\n");
    assert.ok(sections.some((line) => line.includes(".rela.text")));
    const offsets = await offsetsOf(ours, dir.path);
    for (const name of [".text", ".rela.text", ".symtab"]) {
      const damaged = ours.slice();
      const at = offsets.get(name)! + (name === ".symtab" ? 24 * 20 + 8 : 8);
      damaged[at] = damaged[at]! ^ 1;
      await Deno.writeFile(`${dir.path}/ours`, damaged);
      await assert.rejects(compareStripped(`${dir.path}/ours`, `${dir.path}/theirs`), name);
    }
  },
});

async function offsetsOf(bytes: Uint8Array, dir: string): Promise<Map<string, number>> {
  await Deno.writeFile(`${dir}/ours`, bytes);
  const lines = (await run("readelf", "-SW", `${dir}/ours`)).split("\n");
  return new Map(lines.flatMap((line) => {
    const match = /\] (\.\S+) +[A-Z]+ +[0-9a-f]{16} ([0-9a-f]+)/.exec(line);
    return match ? [[match[1]!, parseInt(match[2]!, 16)]] : [];
  }));
}

Deno.test({
  name: "StrippedReader gives the same bytes however it is read",
  ignore: !["gcc", "ld"].every(hasProgram),
  fn: async () => {
    await using dir = await temporary();
    const bytes = await Deno.readFile(await debugObject(dir.path, "", ["-g"]));
    const whole = await strip(bytes);
    await using reader = new StrippedReader(new MemoryReader(bytes, "x.ko"), plan(bytes)!);
    for (const sizeBytes of [1, 7, 25, 512, 4096]) {
      for (let at = 0; at < whole.length; at += sizeBytes) {
        const into = new Uint8Array(Math.min(sizeBytes, whole.length - at)).fill(0xee);
        await reader.readAt(at, into);
        assert.deepEqual(into, whole.subarray(at, at + into.length), `${sizeBytes} at ${at}`);
      }
    }
    await expectError("limit", () => reader.readAt(whole.length, new Uint8Array(1)));
  },
});

Deno.test("planStrip() reads headers only, and nothing is left to do without debug information", () => {
  const asked: ByteRange[] = [];
  assert.equal(plan(moduleElf(), asked), undefined);
  assert.equal(asked.length, 3);
  const named = elf(62, 1, [], [text(".debugger", "x"), text(".text", "y")]);
  assert.ok(plan(named), "what begins with .debug is debug information for strip too");
});

Deno.test("planStrip() leaves a signed module whole and drops other bytes behind the sections", () => {
  const bytes = elf(62, 1, [], [text(".text", "y"), text(".debug_info", "x".repeat(1000))]);
  const tail = (content: string) =>
    new Uint8Array([...bytes, ...new TextEncoder().encode(content)]);
  assert.equal(plan(tail("PKCS#7 and its length~Module signature appended~\n")), undefined);
  assert.equal(plan(tail("no signature at all, but something"))!.sizeBytes, plan(bytes)!.sizeBytes);
});

Deno.test("planStrip() refuses what no module has, and names the module", async () => {
  const base = () => elf(62, 1, [], [text(".text", "code"), text(".debug_info", "info")]);
  const changed = (change: (view: DataView) => void) => () => {
    const bytes = base();
    change(new DataView(bytes.buffer));
    return plan(bytes);
  };
  const tableAt = Number(new DataView(base().buffer).getBigUint64(40, true));
  const field = (section: number, at: number) => tableAt + section * 64 + at;
  const cases: [string, (view: DataView) => void, "corrupt" | "unsupported"][] = [
    ["no ELF", (v) => v.setUint8(0, 0), "corrupt"],
    ["64-bit", (v) => v.setUint8(4, 1), "unsupported"],
    ["relocatable", (v) => v.setUint16(16, 3, true), "corrupt"],
    ["no sections", (v) => (v.setUint16(60, 0, true), v.setUint32(40, 0, true)), "corrupt"],
    ["more sections", (v) => v.setUint16(60, 0, true), "unsupported"],
    ["more sections", (v) => v.setUint16(60, 0xff00, true), "unsupported"],
    ["outside", (v) => v.setUint16(60, 900, true), "corrupt"],
    ["no names", (v) => v.setUint16(62, 9, true), "corrupt"],
    ["ends past", (v) => v.setUint32(field(1, 32), 1 << 30, true), "corrupt"],
    ["beyond any file", (v) => v.setUint32(field(1, 28), 1 << 30, true), "corrupt"],
    ["is linked to", (v) => v.setUint32(field(1, 40), 77, true), "corrupt"],
    ["aligned", (v) => v.setUint32(field(1, 48), 3, true), "corrupt"],
    ["aligned", (v) => v.setUint32(field(1, 48), 1 << 30, true), "corrupt"],
    ["overlaps", (v) => v.setUint32(field(1, 24), 3, true), "corrupt"],
    [
      "relocates",
      (v) => (v.setUint32(field(1, 4), 4, true), v.setUint32(field(1, 44), 99, true)),
      "corrupt",
    ],
    ["symbol table", (v) => v.setUint32(field(1, 4), 2, true), "corrupt"],
    ["more sections", (v) => v.setUint32(field(1, 4), 18, true), "unsupported"],
    [
      "group 1 names",
      (v) => (v.setUint32(field(1, 4), 17, true), v.setUint32(field(1, 32), 8, true)),
      "corrupt",
    ],
    [
      "group 1 has",
      (v) => (v.setUint32(field(1, 4), 17, true), v.setUint32(field(1, 32), 3, true)),
      "corrupt",
    ],
  ];
  for (const [part, change, kind] of cases) {
    await expectError(kind, changed(change), part, "x.ko");
  }
});

/** Plans and strips; fails on anything but a FastboopError. */
async function attempt(bytes: Uint8Array): Promise<void> {
  try {
    if (plan(bytes)) await strip(bytes);
  } catch (error) {
    assert.ok(error instanceof FastboopError, String(error));
  }
}

Deno.test("planStrip() answers every cut and every flipped byte with a plan or a FastboopError", async () => {
  const whole = elf(62, 1, [], [
    text(".text", "code"),
    text(".debug_info", "info"),
    text(".group", "\x01\0\0\0\x02\0\0\0"),
  ]);
  for (let length = 0; length < whole.length; length++) await attempt(whole.subarray(0, length));
  for (let at = 0; at < whole.length; at++) {
    for (const value of [0, 2, 4, 17, 0x7f, 0xff]) {
      const bytes = whole.slice();
      bytes[at] = value;
      await attempt(bytes);
    }
  }
});

Deno.test({
  name: "planStrip() answers damaged headers of a compiler's file in the same way",
  ignore: !["gcc", "ld"].every(hasProgram),
  fn: async () => {
    await using dir = await temporary();
    const bytes = await Deno.readFile(await debugObject(dir.path, "", ["-g3"]));
    const tableAt = Number(new DataView(bytes.buffer).getBigUint64(40, true));
    const places = [
      ...Array(64).keys(),
      ...Array(bytes.length - tableAt).keys().map((i) => tableAt + i),
    ];
    for (const at of places) {
      const before = bytes[at]!;
      for (const value of [before ^ 1, before ^ 0x80, 0xff]) {
        bytes[at] = value;
        await attempt(bytes);
      }
      bytes[at] = before;
    }
  },
});

Deno.test("planStrip() is quick with as many sections as there can be, and names without end", async () => {
  const count = 0xfeff;
  const bytes = new Uint8Array(64 + (1 << 20) + count * 64).fill(0x41, 64, 64 + (1 << 20));
  bytes.set(elf(62, 1, [], []).subarray(0, 64));
  const view = new DataView(bytes.buffer);
  view.setBigUint64(40, BigInt(64 + (1 << 20)), true);
  view.setUint16(60, count, true);
  view.setUint16(62, 1, true);
  for (let i = 1; i < count; i++) {
    const at = 64 + (1 << 20) + i * 64;
    view.setUint32(at, i, true);
    view.setUint32(at + 4, 3, true);
    view.setUint32(at + 24, 64, true);
    view.setUint32(at + 32, i === 1 ? 1 << 20 : 0, true);
  }
  const started = performance.now();
  await attempt(bytes);
  assert.ok(performance.now() - started < 5000);
});
