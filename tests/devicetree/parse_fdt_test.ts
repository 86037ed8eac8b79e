import assert from "node:assert/strict";
import { enabledNodes } from "../../lib/devicetree/enabled_nodes.ts";
import { parseFdt } from "../../lib/devicetree/parse_fdt.ts";
import { stringList } from "../../lib/devicetree/string_list.ts";
import { cells } from "../../lib/devicetree/cells.ts";
import { FastboopError } from "../../lib/errors/errors.ts";
import { expectError } from "../kernel/expect_error.ts";
import { hasProgram, realTree } from "../kernel/real_trees.ts";
import { seededRandom } from "../smoo/seeded_random.ts";
import { compileDts, fdtBlob, printDts, runDtc, type Token } from "./fdt_blob.ts";

const NO_DTC = !hasProgram("dtc");
const word = (value: number) => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
};
const text = (value: string) => new TextEncoder().encode(value);
const BOARD = `/dts-v1/;
/memreserve/ 0x80000000 0x10000;
/memreserve/ 0x123456789a 0x1;
/ {
  #address-cells = <2>;
  compatible = "acme,phone", "acme,soc";
  empty;
  odd = [01 02 03];
  intc: interrupt-controller@1000 { reg = <0 0x1000>; compatible = "arm,gic-v3"; };
  soc@0 {
    status = "okay";
    usb@a600000 { phys = <&phy 3>; status = "disabled"; port { endpoint { x = <1>; }; }; };
    phy: phy@88e0000 { #phy-cells = <1>; status = "ok"; };
    fail { status = "fail-sss"; };
  };
};`;

Deno.test("parseFdt() reads nodes, properties, phandles and reservations of a hand-made blob", () => {
  const fdt = parseFdt(
    fdtBlob([
      ["nop"],
      ["{", ""],
      ["=", "compatible", text("a,b\0c\0")],
      ["nop"],
      ["{", "node@1"],
      ["=", "phandle", word(7)],
      ["{", "leaf"],
      ["}"],
      ["}"],
      ["{", "old"],
      ["=", "linux,phandle", word(8)],
      ["}"],
      ["}"],
      ["nop"],
      ["end"],
    ], { slackBytes: 9 }),
    "x",
  );
  assert.deepEqual(fdt.nodes.map(({ path }) => path), ["/", "/node@1", "/node@1/leaf", "/old"]);
  assert.equal(fdt.byPhandle.get(7)?.path, "/node@1");
  assert.equal(fdt.byPhandle.get(8)?.path, "/old");
  assert.equal(fdt.nodes[2]!.parent, fdt.nodes[1]);
  assert.deepEqual(fdt.root.children.map(({ name }) => name), ["node@1", "old"]);
  assert.deepEqual(stringList(fdt.root, "compatible"), ["a,b", "c"]);
  assert.deepEqual(cells(fdt.nodes[1]!, "phandle"), [7]);
  assert.deepEqual(fdt.reservations, []);
});

Deno.test("parseFdt() reads a name that is the end of a longer string", () => {
  const blob = fdtBlob([["{", ""], ["=", "#phy-cells", word(1)], ["}"], ["end"]], {
    patch: (view) => view.setUint32(56 + 8 + 8, 1),
  });
  assert.deepEqual([...parseFdt(blob, "x").root.properties.keys()], ["phy-cells"]);
});

Deno.test("parseFdt() reads version 16, whose header has no size of the structure block", () => {
  const blob = fdtBlob([["{", ""], ["{", "a"], ["}"], ["}"], ["end"]], { version: 16 });
  assert.deepEqual(parseFdt(blob, "x").nodes.map(({ path }) => path), ["/", "/a"]);
});

const ROOT: Token[] = [["{", ""], ["}"], ["end"]];
const BAD: [string, Uint8Array, RegExp][] = [
  ["nothing", new Uint8Array(), /no flattened device tree/],
  ["another magic", fdtBlob(ROOT, { patch: (v) => v.setUint32(0, 0xd00dfeee) }), /no flattened/],
  [
    "a size beyond the file",
    fdtBlob(ROOT, { patch: (v) => v.setUint32(4, 4096) }),
    /of 4096 bytes/,
  ],
  ["a size below the header", fdtBlob(ROOT, { patch: (v) => v.setUint32(4, 8) }), /of 8 bytes/],
  [
    "structure outside",
    fdtBlob(ROOT, { patch: (v) => v.setUint32(8, 0xfffffffc) }),
    /structure block/,
  ],
  ["structure not aligned", fdtBlob(ROOT, { patch: (v) => v.setUint32(8, 57) }), /structure block/],
  ["structure too long", fdtBlob(ROOT, { patch: (v) => v.setUint32(36, 4096) }), /structure block/],
  ["strings outside", fdtBlob(ROOT, { patch: (v) => v.setUint32(12, 4096) }), /strings lie/],
  ["reservations outside", fdtBlob(ROOT, { patch: (v) => v.setUint32(16, 4096) }), /no end/],
  ["reservations not aligned", fdtBlob(ROOT, { patch: (v) => v.setUint32(16, 44) }), /map lies/],
  ["an unknown token", fdtBlob(ROOT, { patch: (v) => v.setUint32(56, 5) }), /token 5/],
  ["no end token", fdtBlob([["{", ""], ["}"]]), /no end token/],
  ["an end inside of a node", fdtBlob([["{", ""], ["end"]]), /inside of node/],
  ["no root", fdtBlob([["end"]]), /no root/],
  ["two roots", fdtBlob([["{", ""], ["}"], ["{", "b"], ["}"], ["end"]]), /two roots/],
  ["a node that never began", fdtBlob([["}"], ["end"]]), /never began/],
  ["a property outside", fdtBlob([["=", "a", word(1)], ["end"]]), /outside of any node/],
  ["a node without a name", fdtBlob([["{", ""], ["{", ""], ["}"], ["}"], ["end"]]), /called ""/],
  ["a slash in a name", fdtBlob([["{", ""], ["{", "a/b"], ["}"], ["}"], ["end"]]), /called "a\/b"/],
  [
    "one name twice",
    fdtBlob([["{", ""], ["{", "a"], ["}"], ["{", "a"], ["}"], ["}"], ["end"]]),
    /two nodes \/a/,
  ],
  [
    "one property twice",
    fdtBlob([["{", ""], ["=", "a", word(1)], ["=", "a", word(1)], ["}"], ["end"]]),
    /"a" twice/,
  ],
  [
    "a property behind a subnode",
    fdtBlob([["{", ""], ["{", "n"], ["}"], ["=", "a", word(1)], ["}"], ["end"]]),
    /after a subnode/,
  ],
  [
    "a value beyond the block",
    fdtBlob([["{", ""], ["=", "a", word(1)], ["}"], ["end"]], {
      patch: (v) => v.setUint32(68, 0xfffffff0),
    }),
    /beyond the structure block/,
  ],
  [
    "a name beyond the strings",
    fdtBlob([["{", ""], ["=", "a", word(1)], ["}"], ["end"]], {
      patch: (v) => v.setUint32(72, 0xfffffff0),
    }),
    /no property name/,
  ],
  ["a phandle of 0", fdtBlob([["{", ""], ["=", "phandle", word(0)], ["}"], ["end"]]), /is none/],
  [
    "one phandle twice",
    fdtBlob([
      ["{", ""],
      ["=", "phandle", word(1)],
      ["{", "a"],
      ["=", "phandle", word(1)],
      ["}"],
      ["}"],
      ["end"],
    ]),
    /same phandle 1/,
  ],
];
for (const [what, blob, state] of BAD) {
  Deno.test(`parseFdt() refuses ${what}`, async () => {
    await expectError("corrupt", () => parseFdt(blob, '"x.dtb"'), '"x.dtb"', state);
  });
}

Deno.test("parseFdt() refuses old versions, deep trees and large blobs by kind", async () => {
  await expectError("unsupported", () => parseFdt(fdtBlob(ROOT, { version: 3 }), "x"), "version 3");
  const deep: Token[] = [
    ["{", ""],
    ...Array.from({ length: 64 }, (): Token => ["{", "a"]),
    ...Array.from({ length: 65 }, (): Token => ["}"]),
    ["end"],
  ];
  await expectError("limit", () => parseFdt(fdtBlob(deep), "x"), "64 levels");
  parseFdt(fdtBlob([deep[0]!, ...deep.slice(2, -2), ["end"]]), "x");
  const large = fdtBlob(ROOT, { slackBytes: 2 << 20 });
  await expectError("limit", () => parseFdt(large, "x"), "2097152");
});

Deno.test({
  name: "parseFdt() gives back all that dtc wrote: printed and compiled again it is the same blob",
  ignore: NO_DTC,
  fn: async () => {
    const blobs = [await compileDts(BOARD), await compileDts(BOARD, ["-@", "-p", "64", "-b", "3"])];
    for (const dir of ["/usr/share/qemu", `${realTree("aarch64")}/arch/arm64/boot/dts/qemu`]) {
      try {
        for (const { name } of Deno.readDirSync(dir)) {
          if (name.endsWith(".dtb")) blobs.push(Deno.readFileSync(`${dir}/${name}`));
        }
      } catch {
        // Not on this machine.
      }
    }
    for (const blob of blobs) {
      const fdt = parseFdt(blob, "x");
      const again = await compileDts(printDts(fdt), ["-b", String(fdt.bootCpuId)]);
      assert.deepEqual(again, await runDtc(["-I", "dtb", "-O", "dtb"], blob));
    }
    const other = parseFdt(blobs[0]!, "x");
    (other.root.properties.get("odd")!)[1]! ^= 1;
    assert.notDeepEqual(await compileDts(printDts(other)), await compileDts(BOARD));
  },
});

Deno.test({
  name: "enabledNodes() leaves out disabled nodes and all below them",
  ignore: NO_DTC,
  fn: async () => {
    const fdt = parseFdt(await compileDts(BOARD), "x");
    assert.deepEqual([...enabledNodes(fdt)].map(({ path }) => path), [
      "/",
      "/interrupt-controller@1000",
      "/soc@0",
      "/soc@0/phy@88e0000",
    ]);
  },
});

Deno.test("parseFdt() ends in a tree or a FastboopError whatever bytes it is given", () => {
  const seed = 20261121;
  const below = seededRandom(seed);
  const blob = fdtBlob([
    ["{", ""],
    ["=", "compatible", text("a,b\0")],
    ["{", "soc@0"],
    ["=", "phandle", word(1)],
    ["=", "ranges", new Uint8Array()],
    ["{", "usb@1"],
    ["=", "phys", word(1)],
    ["}"],
    ["}"],
    ["}"],
    ["end"],
  ]);
  const started = performance.now();
  let parsed = 0;
  for (let round = 0; round < 20_000; round++) {
    const mutated = blob.slice(0, below(8) === 0 ? below(blob.length) : blob.length);
    for (let i = below(4); i >= 0 && mutated.length > 4; i--) {
      mutated[4 + below(mutated.length - 4)] = below(2) === 0 ? below(256) : below(10);
    }
    try {
      const fdt = parseFdt(mutated, "x");
      assert.ok(fdt.nodes.length >= 1 && fdt.nodes.length < 50);
      enabledNodes(fdt);
      parsed++;
    } catch (error) {
      assert.ok(error instanceof FastboopError, `seed ${seed}, round ${round}: ${error}`);
    }
  }
  assert.ok(parsed > 100 && parsed < 19_000, `${parsed} parsed`);
  assert.ok(performance.now() - started < 10_000);
});
