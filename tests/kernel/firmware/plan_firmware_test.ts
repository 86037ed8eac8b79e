import assert from "node:assert/strict";
import {
  parseFirmwareList,
  parseFirmwarePolicy,
} from "../../../lib/kernel/firmware/firmware_policy.ts";
import { planFirmware } from "../../../lib/kernel/firmware/plan_firmware.ts";
import { readFirmware } from "../../../lib/kernel/firmware/read_firmware.ts";
import { directory, file, MemoryTree, symlink } from "../../filesystems/memory_tree.ts";
import { expectError } from "../expect_error.ts";

const TREE = new MemoryTree(directory({
  etc: directory({ alternatives: directory({ "regulatory.db": symlink("/usr/lib/fw2/reg.db") }) }),
  usr: directory({
    lib: directory({
      fw2: directory({ "reg.db": file("reg") }),
      firmware: directory({
        "6.12": directory({ rtl: directory({ "a.fw": file("release") }) }),
        updates: directory({ rtl: directory({ "b.fw": file("update") }) }),
        rtl: directory({
          "a.fw": file("root"),
          "b.fw": file("root"),
          "c.fw.xz": file("xz"),
          "d.fw.zst": file("zst"),
          "d.fw.xz": file("xz"),
        }),
        ath: symlink("qca"),
        qca: directory({
          "board-1.bin": file("1"),
          "board-2.bin.xz": file("22"),
          "link.bin": symlink("../rtl/c.fw.xz"),
          deeper: directory({ "board-3.bin": file("3") }),
        }),
        "loop.bin": symlink("loop.bin"),
        "gone.bin": symlink("nowhere"),
        "out.bin": symlink("../../../../../../usr/lib/fw2/reg.db"),
        "regulatory.db": symlink("/etc/alternatives/regulatory.db"),
      }),
    }),
  }),
}));
const ROOT = { tree: TREE, directory: "usr/lib/firmware", release: "6.12" };
const plan = (...firmware: string[]) =>
  planFirmware(ROOT, { policy: "auto", modules: [{ name: "m", firmware }] });
const paths = async (...firmware: string[]) =>
  (await plan(...firmware)).entries.map(({ path }) => path.replace("usr/lib/firmware/", ""));

Deno.test("planFirmware() takes a name that one module repeats for one", async () => {
  const { missing } = await plan(...new Array(100_000).fill("gone.fw"));
  assert.deepEqual(missing, [{ name: "gone.fw", modules: ["m"] }]);
});

Deno.test("planFirmware() searches updates and the release first, plain before zst before xz", async () => {
  assert.deepEqual(await paths("rtl/a.fw"), ["6.12/rtl/a.fw"]);
  assert.deepEqual(await paths("rtl/b.fw"), ["updates/rtl/b.fw"]);
  assert.deepEqual(await paths("rtl/c.fw"), ["rtl/c.fw.xz"]);
  assert.deepEqual(await paths("rtl/d.fw"), ["rtl/d.fw.zst"]);
});

Deno.test("planFirmware() takes links of every component along with what they lead to", async () => {
  assert.deepEqual(await paths("ath/board-1.bin"), ["ath", "qca/board-1.bin"]);
  assert.deepEqual(await paths("ath/link.bin"), ["ath", "qca/link.bin", "rtl/c.fw.xz"]);
  assert.deepEqual(await paths("regulatory.db"), [
    "etc/alternatives/regulatory.db",
    "regulatory.db",
    "usr/lib/fw2/reg.db",
  ]);
});

Deno.test("planFirmware() expands globs through links, without folders", async () => {
  assert.deepEqual(await paths("ath/board-*.bin"), [
    "ath",
    "qca/board-1.bin",
    "qca/board-2.bin.xz",
  ]);
  assert.deepEqual(await paths("q*/*/board-[0-9].bin"), ["qca/deeper/board-3.bin"]);
});

Deno.test("planFirmware() reports what is missing and for which modules, and never fails", async () => {
  const { entries, missing } = await planFirmware(ROOT, {
    policy: "auto+list",
    modules: [
      { name: "m", firmware: ["loop.bin", "gone.bin", "../secret", "rtl/z*"] },
      { name: "n", firmware: ["gone.bin"] },
    ],
    list: ["lost.bin", "rtl/a.fw"],
  });
  assert.deepEqual(missing, [
    { name: "loop.bin", modules: ["m"] },
    { name: "gone.bin", modules: ["m", "n"] },
    { name: "../secret", modules: ["m"] },
    { name: "rtl/z*", modules: ["m"] },
    { name: "lost.bin", modules: [] },
  ]);
  assert.equal(entries.length, 1);
});

Deno.test("planFirmware() keeps links inside of the tree", async () => {
  assert.deepEqual(await paths("out.bin"), ["out.bin", "usr/lib/fw2/reg.db"]);
});

Deno.test("planFirmware() follows its policy", async () => {
  const needs = { modules: [{ name: "m", firmware: ["rtl/a.fw"] }], list: ["rtl/b.fw"] };
  const count = async (word: string) =>
    (await planFirmware(ROOT, { policy: parseFirmwarePolicy(word), ...needs })).entries.length;
  assert.deepEqual(
    await Promise.all(["auto", "list", "auto+list", "none"].map(count)),
    [1, 1, 2, 0],
  );
  await expectError("usage", () => parseFirmwarePolicy("all"), '"all"');
});

Deno.test("parseFirmwareList() takes names, globs and comments, nothing outside", async () => {
  assert.deepEqual(parseFirmwareList("# x\nrtl/*.fw # y\n\nb.bin\n", "l"), ["rtl/*.fw", "b.bin"]);
  await expectError("usage", () => parseFirmwareList("a\n../b", "l"), "line 2");
  await expectError("usage", () => parseFirmwareList("/b", "l"), "line 1");
});

Deno.test("readFirmware() makes members below lib/firmware, links as links", async () => {
  const members = await readFirmware(ROOT, await plan("ath/board-1.bin"), { prefix: "lib" });
  assert.deepEqual(
    members.map(({ path, mode, data }) => [path, mode, new TextDecoder().decode(data)]),
    [["lib/firmware/ath", 0o120777, "qca"], ["lib/firmware/qca/board-1.bin", 0o100644, "1"]],
  );
});
