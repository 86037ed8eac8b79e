import assert from "node:assert/strict";
import { editFdt } from "../../lib/devicetree/edit_fdt.ts";
import { encodeFdt } from "../../lib/devicetree/encode_fdt.ts";
import { parseFdt } from "../../lib/devicetree/parse_fdt.ts";
import { hasProgram, realTree } from "../kernel/real_trees.ts";
import { ofKind } from "../support/expect_kind.ts";
import { compileDts, printDts, runDtc } from "./fdt_blob.ts";

const SOURCE = `/dts-v1/;
/memreserve/ 0x123456789a 0x1;
/ { empty; odd = [01 02 03]; text = "a", "b"; n@1 { n@1 { reg = <1>; }; }; last { }; };`;

Deno.test({
  name: "encodeFdt() writes what dtc reads as the same tree",
  ignore: !hasProgram("dtc"),
  async fn() {
    const blob = await compileDts(SOURCE);
    const again = encodeFdt(editFdt(parseFdt(blob, "x")));
    assert.equal(printDts(parseFdt(again, "x")), printDts(parseFdt(blob, "x")));
    const dts = (bytes: Uint8Array) => runDtc(["-I", "dtb", "-O", "dts"], bytes);
    assert.deepEqual(await dts(again), await dts(blob));
  },
});

const tree = realTree("aarch64");
Deno.test({
  name: "encodeFdt() round-trips every device tree of a real kernel tree",
  ignore: tree === undefined,
  async fn() {
    const folder = `${tree}/arch/arm64/boot/dts`;
    let seen = 0;
    const visit = async (path: string): Promise<void> => {
      for await (const { name, isDirectory } of Deno.readDir(path)) {
        if (isDirectory) await visit(`${path}/${name}`);
        else if (name.endsWith(".dtb")) {
          const fdt = parseFdt(await Deno.readFile(`${path}/${name}`), name);
          const again = parseFdt(encodeFdt(editFdt(fdt)), name);
          assert.equal(printDts(again), printDts(fdt), name);
          seen++;
        }
      }
    };
    await visit(folder);
    assert.ok(seen > 0, "the tree must have device trees");
  },
});

Deno.test("encodeFdt() refuses a tree larger than a kernel maps", () => {
  const root = {
    name: "",
    properties: new Map([["x", new Uint8Array(2 << 20)]]),
    children: new Map(),
  };
  assert.throws(() => encodeFdt({ root, reservations: [], bootCpuId: 0 }), ofKind("limit"));
});
