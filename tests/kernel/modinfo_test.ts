import assert from "node:assert/strict";
import { parseModinfo } from "../../lib/kernel/modinfo.ts";
import { expectError } from "./expect_error.ts";
import { elf, moduleElf } from "./fixture_tree.ts";
import { hasProgram, realTree } from "./real_trees.ts";

Deno.test("parseModinfo() reads depends, softdep, aliases and vermagic", () => {
  const info = parseModinfo(
    moduleElf({
      depends: "udc-core,usb_common",
      softdep: "pre: crypto-crc32c  b post: c",
      aliases: ["fs-x", "of:N*T*Cqcom,dwc3C*"],
    }),
    "x.ko",
  );
  assert.deepEqual(info, {
    machine: 62,
    depends: ["udc_core", "usb_common"],
    softdeps: [{ pre: ["crypto-crc32c", "b"], post: ["c"] }],
    aliases: ["fs-x", "of:N*T*Cqcom,dwc3C*"],
    firmware: [],
    vermagic: "6.12.3-test SMP mod_unload",
  });
});

Deno.test("parseModinfo() reads a long list, and entries without a key, in no time", () => {
  const many = parseModinfo(moduleElf({ depends: "a,".repeat(1 << 20) }), "x.ko");
  assert.equal(many.depends.length, 1 << 20);
  // Each of these would be searched to the end: that takes the better part of an hour.
  const empty = new Uint8Array(8 << 20);
  empty.set(new TextEncoder().encode("vermagic=6.1.0"), empty.length - 15);
  const bytes = elf(62, 1, [], [{ name: ".modinfo", data: empty }]);
  assert.equal(parseModinfo(bytes, "x.ko").vermagic, "6.1.0");
});

Deno.test("parseModinfo() says so when the section is missing", async () => {
  const bytes = elf(62, 1, [], [{ name: ".text", data: new Uint8Array(4) }]);
  await expectError("corrupt", () => parseModinfo(bytes, "x.ko"), ".modinfo", "make modules");
});

const tree = realTree("x86_64");
Deno.test({
  name: "parseModinfo() agrees with modinfo(8) on the lab's modules",
  ignore: tree === undefined || !hasProgram("modinfo"),
  fn: async () => {
    for (const path of ["fs/erofs/erofs.ko", "fs/ext4/ext4.ko", "lib/libcrc32c.ko"]) {
      const { stdout } = await new Deno.Command("/usr/sbin/modinfo", { args: [`${tree}/${path}`] })
        .output();
      const lines = new TextDecoder().decode(stdout).split("\n");
      const all = (key: string) =>
        lines.filter((l) => l.startsWith(`${key}:`)).map((l) => l.slice(key.length + 1).trim());
      const info = parseModinfo(await Deno.readFile(`${tree}/${path}`), path);
      assert.equal(info.depends.join(","), all("depends")[0]!.replaceAll("-", "_"));
      assert.deepEqual(info.aliases, all("alias"));
      assert.equal(info.vermagic, all("vermagic")[0]);
      const pre = info.softdeps.flatMap((s) => s.pre).join(" ");
      assert.equal(pre === "" ? "" : `pre: ${pre}`, all("softdep").join(" "));
    }
  },
});
