import assert from "node:assert/strict";
import { decodeXz } from "../../lib/images/xz/decode_xz.ts";
import { readModuleIndex } from "../../lib/kernel/read_module_index.ts";
import { readModuleInfos } from "../../lib/kernel/read_module_infos.ts";
import { DirectoryTree } from "../../lib/sources/directory.ts";
import { hasTool, run } from "../filesystems/foreign_tools.ts";
import { moduleElf, RELEASE } from "./fixture_tree.ts";
import { MemoryTree } from "./memory_tree.ts";
import { debianModules } from "./real_trees.ts";

const debian = debianModules();
const NAMES = [
  "r8169",
  "tg3",
  "bnx2",
  "bnx2x",
  "e100",
  "iwlwifi",
  "brcmfmac",
  "ath11k_pci",
  "nvme",
];

Deno.test("readModuleInfos() reads modules of one release, and names one of another", async () => {
  const tree = new MemoryTree({
    "m/a.ko": moduleElf({ firmware: ["a.bin"] }),
    "m/b.ko": moduleElf({ vermagic: "6.1.0-other SMP " }),
  });
  const infos = await readModuleInfos(tree, "m", ["a.ko"], { release: RELEASE });
  assert.deepEqual(infos.get("a.ko")!.firmware, ["a.bin"]);
  await assert.rejects(readModuleInfos(tree, "m", ["a.ko", "b.ko"], { release: RELEASE }), {
    kind: "tree",
    message: /"b\.ko".*"6\.1\.0-other"/,
  });
});

Deno.test({
  name: "readModuleInfos() names the firmware modinfo(8) names for Debian's modules",
  ignore: debian === undefined || !hasTool("modinfo"),
  fn: async () => {
    const [, parent, release] = /^(.*)\/(.*)$/.exec(debian!)!;
    await using tree = new DirectoryTree(parent!);
    const { modules } = await readModuleIndex(tree, release!);
    const paths = NAMES.map((name) => modules.get(name)!.path);
    const xz = (stored: Uint8Array, limitBytes: number) =>
      Promise.resolve(decodeXz(stored, limitBytes));
    const infos = await readModuleInfos(tree, release!, paths, { release: release!, xz });
    let total = 0;
    for (const path of paths) {
      const { stdout } = await run("modinfo", ["-F", "firmware", `${debian}/${path}`]);
      const theirs = stdout.split("\n").filter((line) => line !== "");
      assert.deepEqual(infos.get(path)!.firmware, theirs, path);
      total += theirs.length;
    }
    assert.ok(total > 100, `${total}`);
  },
});
