import assert from "node:assert/strict";
import { BUNDLED_SETS, loadBundledSets } from "../../lib/kernel/sets/bundled_sets.ts";
import { expandSet } from "../../lib/kernel/sets/expand_set.ts";
import { importZeroOs } from "../../lib/kernel/sets/import_zero_os.ts";
import { type ModuleSet, parseSet } from "../../lib/kernel/sets/parse_set.ts";
import { selectModules } from "../../lib/kernel/sets/select_modules.ts";
import { expectError } from "./expect_error.ts";

const setsOf = (texts: Record<string, string>): Map<string, ModuleSet> =>
  new Map(Object.entries(texts).map(([name, text]) => [name, parseSet(name, text)]));
const words = (name: string, texts: Record<string, string>) =>
  expandSet(name, setsOf(texts)).map(({ stage, word }) => `${stage.at(-1)}:${word}`);

Deno.test("parseSet() names the line that is wrong", async () => {
  const wrong: [string, RegExp][] = [
    ["ahci", /line 1: .*before \[stage1\]/],
    ["[stage1]\n\n[stage3]", /line 3: .*\[stage3\]/],
    ["[stage1]\nahci nvme", /line 2: .*more than one word/],
    ["[stage1]\n@No Set", /line 2/],
    ["[stage1]\n@Upper", /line 2: .*name of a set/],
    ["[stage1]\n-", /line 2/],
    ["# x\n[stage1]\nahci\x1b[2J", /line 3/],
  ];
  for (const [text, state] of wrong) {
    await expectError("usage", () => parseSet("mine", text), "@mine", state);
  }
});

Deno.test("parseSet() takes comments, both stages, globs and aliases", () => {
  const { lines } = parseSet(
    "x",
    "# a\n[stage1] # b\nphy-qcom-* # c\n\n[stage2]\nof:N*T*Cqcom,*\r\n",
  );
  assert.deepEqual(lines.map(({ stage, word, line }) => [stage, word, line]), [
    ["stage1", "phy-qcom-*", 3],
    ["stage2", "of:N*T*Cqcom,*", 6],
  ]);
});

Deno.test("expandSet() carries out includes and removals in their order", () => {
  const texts = {
    base: "[stage1]\na\nb-x\n[stage2]\nc",
    early: "[stage1]\n@base\n-b_x\nd",
    late: "[stage2]\n@base\n[stage1]\ne",
    again: "[stage1]\n@base\n-a\na",
  };
  assert.deepEqual(words("early", texts), ["1:a", "1:d", "2:c"]);
  assert.deepEqual(words("late", texts), ["1:e", "2:a", "2:b-x", "2:c"]);
  assert.deepEqual(words("again", texts), ["1:b-x", "1:a", "2:c"]);
});

Deno.test("expandSet() refuses cycles, unknown sets and removals of nothing, with the line", async () => {
  const run = (texts: Record<string, string>) => () => expandSet("a", setsOf(texts));
  await expectError(
    "usage",
    run({ a: "[stage1]\n@b", b: "[stage1]\nx\n@a" }),
    "@b, line 3",
    "@a -> @b -> @a",
  );
  await expectError("usage", run({ a: "[stage1]\n@a" }), "@a -> @a");
  await expectError("usage", run({ a: "[stage1]\n@c" }), "@a, line 2", "@c is no set");
  await expectError("usage", run({ a: "[stage1]\nx\n-y\ny" }), "@a, line 3", "-y");
  await expectError("usage", () => expandSet("virtoi", setsOf({ virtio: "" })), "near: @virtio");
});

Deno.test("expandSet() bounds sets that double themselves", async () => {
  const texts: Record<string, string> = { s0: "[stage1]\nx" };
  for (let i = 1; i < 15; i++) texts[`s${i}`] = `[stage1]\n@s${i - 1}\n@s${i - 1}`;
  await expectError("limit", () => expandSet("s14", setsOf(texts)));
  const empty: Record<string, string> = { s0: "" };
  for (let i = 1; i < 15; i++) empty[`s${i}`] = "[stage1]\n" + `@s${i - 1}\n`.repeat(100);
  await expectError("limit", () => expandSet("s14", setsOf(empty)));
});

Deno.test("importZeroOs() reads stage:name lines and tells ignored hints", async () => {
  const { set, ignored } = importZeroOs(
    "z",
    "# x\nstage1:r8169:rtl_nic\nstage2:nvme\nstage1:tg3:\n",
  );
  assert.deepEqual(set.lines.map(({ stage, word }) => `${stage}:${word}`), [
    "stage1:r8169",
    "stage2:nvme",
    "stage1:tg3",
  ]);
  assert.deepEqual(ignored, [{ line: 2, word: "r8169", hint: "rtl_nic" }]);
  await expectError("usage", () => importZeroOs("z", "stage1:a\nr8169"), "line 2");
});

Deno.test("selectModules() makes what a set names optional, and what is typed not", () => {
  const sets = setsOf({ a: "[stage1]\nx\n[stage2]\ny", b: "[stage1]\nz" });
  assert.deepEqual(selectModules(["@a", "r8169", "@b"], sets), [
    { word: "r8169" },
    { word: "x", set: "a", optional: true },
    { word: "z", set: "b", optional: true },
    { word: "y", set: "a", optional: true },
  ]);
});

Deno.test("loadBundledSets() brings sets that expand, PHYs before their cards", async () => {
  const sets = await loadBundledSets();
  for (const name of BUNDLED_SETS) assert.ok(expandSet(name, sets).length > 5, name);
  const nic = expandSet("nic", sets).map(({ word }) => word);
  assert.ok(nic.indexOf("realtek") < nic.indexOf("r8169"));
  const zero = expandSet("zero-os", sets).map(({ word }) => word);
  assert.ok(["ahci", "virtio_net", "tg3", "usbhid"].every((word) => zero.includes(word)));
  assert.ok(!zero.includes("sunxi_mmc"));
});
