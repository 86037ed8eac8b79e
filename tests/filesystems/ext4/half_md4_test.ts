import assert from "node:assert/strict";
import { halfMd4 } from "../../../lib/filesystems/ext4/half_md4.ts";
import { hasTool, run } from "../foreign_tools.ts";

const VECTORS: [name: string, hash: number, minor: number][] = [
  ["a", 0xd5fa7d7a, 0xacb48187],
  ["modules.dep", 0xc537b290, 0x6b3b86cd],
  ["ext4.ko", 0x3b5f557c, 0x3c4522e0],
  ["file-with-a-longish-name-000000-and-more-than-32", 0x5bcc62fa, 0xf65d2544],
];

Deno.test("halfMd4() gives known hashes", () => {
  for (const [name, hash, minor] of VECTORS) {
    assert.deepEqual(halfMd4(new TextEncoder().encode(name)), { hash, minor }, name);
  }
});

Deno.test({
  name: "halfMd4() agrees with debugfs at every length",
  ignore: !hasTool("debugfs"),
  async fn() {
    const names = Array.from({ length: 255 }, (_, i) => "abcdefghij".repeat(26).slice(0, i + 1));
    for (const name of [names[0]!, ...names.filter((_, i) => i % 15 === 0 || (i > 28 && i < 36))]) {
      const { hash, minor } = halfMd4(new TextEncoder().encode(name));
      const { stdout } = await run("debugfs", ["-R", `dx_hash -h half_md4 ${name}`]);
      const [, theirs, theirMinor] = /is 0x([0-9a-f]+) \(minor 0x([0-9a-f]+)\)/.exec(stdout)!;
      assert.equal(hash, parseInt(theirs!, 16), name);
      assert.equal(minor, parseInt(theirMinor!, 16), name);
    }
  },
});
