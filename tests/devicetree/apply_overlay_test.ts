import assert from "node:assert/strict";
import { applyOverlay } from "../../lib/devicetree/apply_overlay.ts";
import { cells } from "../../lib/devicetree/cells.ts";
import { editFdt } from "../../lib/devicetree/edit_fdt.ts";
import { encodeFdt } from "../../lib/devicetree/encode_fdt.ts";
import { parseFdt } from "../../lib/devicetree/parse_fdt.ts";
import { FastboopError } from "../../lib/errors/errors.ts";
import { run, withTempDir } from "../filesystems/foreign_tools.ts";
import { hasProgram } from "../kernel/real_trees.ts";
import { seededRandom } from "../smoo/seeded_random.ts";
import { compileDts, fdtBlob, runDtc, type Token } from "./fdt_blob.ts";

const NO_DTC = !hasProgram("dtc") || !hasProgram("fdtoverlay");

const BASE = `/dts-v1/;
/memreserve/ 0x80000000 0x10000;
/ {
  compatible = "acme,phone";
  intc: interrupt-controller@1000 { reg = <0x1000>; };
  soc {
    i2c: i2c@2000 { status = "disabled"; gpio: gpio@20 { reg = <0x20>; }; };
    user { gpios = <&gpio 1>, <&intc 2>; };
  };
};`;

const OVERLAYS = {
  "a label and a path": `/dts-v1/; /plugin/;
    &i2c { status = "okay"; panel@30 { reg = <0x30>; reset = <&gpio 4 0>, <&intc 1>; }; };
    &{/soc} { new { x; }; };`,
  "references of its own": `/dts-v1/; /plugin/;
    &i2c { a: sensor@40 { reg = <0x40>; }; b: mixed { odd = [01], <0>; links = <&a &gpio &b>; }; };`,
  "symbols": `/dts-v1/; /plugin/;
    &i2c { deep: x { deeper: y { self = <&deep>; }; }; };
    / { fragment@9 { target-path = "/"; __overlay__ { top: z { at = <&deeper>; }; }; }; };`,
  "a fragment into an earlier one": `/dts-v1/; /plugin/;
    &i2c { first { }; };
    / { fragment@9 { target-path = "/soc/i2c@2000/first"; __overlay__ { second; }; }; };`,
  "nothing": `/dts-v1/; /plugin/; / { };`,
};

/** Source text with sorted nodes and properties, so that only the content counts. */
async function sorted(blob: Uint8Array): Promise<string> {
  const text = await runDtc(["-I", "dtb", "-O", "dts", "-s"], blob);
  assert.ok(text.length > 0, "dtc must accept the blob");
  return new TextDecoder().decode(text);
}

async function ours(base: Uint8Array, ...overlays: Uint8Array[]): Promise<Uint8Array> {
  let tree = editFdt(parseFdt(base, "base"));
  for (const overlay of overlays) tree = applyOverlay(tree, parseFdt(overlay, "x"), "x");
  return await Promise.resolve(encodeFdt(tree));
}

async function theirs(base: Uint8Array, ...overlays: Uint8Array[]): Promise<Uint8Array> {
  return await withTempDir(async (dir) => {
    await Deno.writeFile(`${dir}/base`, base);
    const names = overlays.map((_, i) => `${dir}/${i}`);
    await Promise.all(overlays.map((bytes, i) => Deno.writeFile(names[i]!, bytes)));
    const args = ["-i", `${dir}/base`, "-o", `${dir}/out`, ...names];
    const { code, stderr } = await run("fdtoverlay", args);
    assert.equal(code, 0, stderr);
    return await Deno.readFile(`${dir}/out`);
  });
}

for (const [name, source] of Object.entries(OVERLAYS)) {
  Deno.test({
    name: `applyOverlay() gives what fdtoverlay gives for ${name}`,
    ignore: NO_DTC,
    async fn() {
      const base = await compileDts(BASE, ["-@"]);
      const overlay = await compileDts(source, ["-@"]);
      const expected = await sorted(await theirs(base, overlay));
      assert.equal(await sorted(await ours(base, overlay)), expected);
      const damaged = (await ours(base, overlay)).slice();
      damaged[damaged.length - 2]! ^= 1;
      assert.notEqual(await sorted(damaged), expected, "the comparison must see one flipped bit");
    },
  });
}

// fdtoverlay below 1.7.1 gives the node the overlay's phandle, and the base's own references lead nowhere.
Deno.test({
  name: "applyOverlay() keeps the base's phandle of a node to which the overlay gives one too",
  ignore: NO_DTC,
  async fn() {
    const base = await compileDts(BASE, ["-@"]);
    const overlay = await compileDts(
      `/dts-v1/; /plugin/; &i2c { mine: gpio@20 { extra; }; user { to = <&mine>; }; };`,
      ["-@"],
    );
    const { root, byPhandle } = parseFdt(await ours(base, overlay), "x");
    const [soc] = root.children.filter(({ name }) => name === "soc");
    const [i2c] = soc!.children;
    const user = soc!.children.find(({ name }) => name === "user")!;
    const inner = i2c!.children.find(({ name }) => name === "user")!;
    const [reference] = cells(user, "gpios");
    assert.equal(byPhandle.get(reference!)?.path, "/soc/i2c@2000/gpio@20");
    assert.deepEqual(cells(inner, "to"), [reference]);
    assert.ok(byPhandle.get(reference!)?.properties.has("extra"));
  },
});

Deno.test({
  name: "applyOverlay() applies several, the later over the earlier",
  ignore: NO_DTC,
  async fn() {
    const base = await compileDts(BASE, ["-@"]);
    const first = await compileDts(OVERLAYS.symbols, ["-@"]);
    const second = await compileDts(
      `/dts-v1/; /plugin/; &deeper { more = <&i2c>; self = "no more"; };`,
      ["-@"],
    );
    assert.equal(
      await sorted(await ours(base, first, second)),
      await sorted(await theirs(base, first, second)),
    );
  },
});

Deno.test({
  name: "applyOverlay() names the label, the path and a base without labels",
  ignore: NO_DTC,
  async fn() {
    const base = await compileDts(BASE, ["-@"]);
    const fails = async (source: string, on: Uint8Array, kind: string, state: RegExp) => {
      const overlay = await compileDts(source, ["-@"]);
      await assert.rejects(ours(on, overlay), (error: FastboopError) => {
        assert.equal(error.kind, kind);
        assert.match(error.state, state);
        return true;
      });
    };
    const label = `/dts-v1/; /plugin/; &nosuch { x; };`;
    await fails(label, base, "not-found", /label nosuch/);
    await fails(label, await compileDts(BASE), "not-found", /no __symbols__/);
    await fails(`/dts-v1/; /plugin/; &{/soc/gone} { x; };`, base, "not-found", /\/soc\/gone/);
    const aimless = `/dts-v1/; / { fragment@0 { __overlay__ { x; }; }; };`;
    await fails(aimless, base, "corrupt", /neither target nor target-path/);
    const endless = `/dts-v1/; / { fragment@0 { target = <0xffffffff>; __overlay__ { x; }; };
      __fixups__ { i2c = [2f 66 72 61 67 6d 65 6e 74 40 30 3a 74 61 72 67 65 74 3a 30]; }; };`;
    await fails(endless, base, "corrupt", /fixups of label i2c have no end/);
  },
});

Deno.test({
  name: "applyOverlay() leaves the base as it was when it fails",
  ignore: NO_DTC,
  async fn() {
    const base = editFdt(parseFdt(await compileDts(BASE, ["-@"]), "base"));
    const before = encodeFdt(base);
    const source = `/dts-v1/; /plugin/; &i2c { x; }; &{/gone} { y; };`;
    const overlay = parseFdt(await compileDts(source, ["-@"]), "x");
    assert.throws(() => applyOverlay(base, overlay, "x"), FastboopError);
    assert.deepEqual(encodeFdt(base), before);
  },
});

Deno.test({
  name: "applyOverlay() ends in a tree or a typed error whatever bytes of the overlay are changed",
  ignore: NO_DTC,
  async fn() {
    const base = editFdt(parseFdt(await compileDts(BASE, ["-@"]), "base"));
    const overlay = await compileDts(OVERLAYS["references of its own"], ["-@"]);
    const random = seededRandom(7);
    let failures = 0;
    for (let round = 0; round < 20_000; round++) {
      const damaged = overlay.slice();
      for (let i = 0; i <= round % 3; i++) {
        damaged[random(damaged.length)] = random(256);
      }
      try {
        parseFdt(encodeFdt(applyOverlay(base, parseFdt(damaged, "x"), "x")), "result");
      } catch (error) {
        if (!(error instanceof FastboopError)) throw error;
        failures++;
      }
    }
    assert.ok(failures > 5000, `only ${failures} of the damaged overlays were refused`);
  },
});

Deno.test("applyOverlay() holds no long paths of a tree that is deep and wide", () => {
  const long = "n".repeat(250);
  const deep: Token[] = [["{", ""], ...Array.from({ length: 62 }, (): Token => ["{", long])];
  const wide = Array.from({ length: 20_000 }, (_, i): Token[] => [["{", `${i}`], ["}"]]).flat();
  const ends = Array.from({ length: 63 }, (): Token => ["}"]);
  const base = editFdt(parseFdt(fdtBlob([...deep, ...wide, ...ends, ["end"]]), "base"));
  const before = Deno.memoryUsage().heapUsed;
  applyOverlay(base, parseFdt(fdtBlob([["{", ""], ["}"], ["end"]]), "x"), "x");
  const grownBytes = Deno.memoryUsage().heapUsed - before;
  // Written out they would be 310 MB.
  assert.ok(grownBytes < 150e6, `${grownBytes} bytes more`);
});

/** An overlay whose fragments each go into what the one before brought. */
function nested(count: number): Uint8Array {
  const u32 = (value: number) => {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value);
    return bytes;
  };
  const tokens: Token[] = [["{", ""]];
  for (let i = 0; i < count; i++) {
    const target: Token = i === 0
      ? ["=", "target-path", Uint8Array.of(0x2f, 0)]
      : ["=", "target", u32(i)];
    tokens.push(["{", `f@${i}`], target, ["{", "__overlay__"], ["{", "n"]);
    tokens.push(["=", "phandle", u32(i + 1)], ["}"], ["}"], ["}"]);
  }
  return fdtBlob([...tokens, ["}"], ["end"]]);
}

Deno.test("applyOverlay() nests 64 levels and no more, however the overlays go into each other", async () => {
  const bare = fdtBlob([["{", ""], ["}"], ["end"]]);
  assert.equal(parseFdt(await ours(bare, nested(63)), "x").nodes.length, 64);
  await assert.rejects(ours(bare, nested(64)), { kind: "limit" });
  await assert.rejects(ours(bare, nested(5000)), { kind: "limit" });
});
