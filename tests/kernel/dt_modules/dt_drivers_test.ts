import assert from "node:assert/strict";
import type { FdtNode } from "../../../lib/devicetree/fdt.ts";
import { parseFdt } from "../../../lib/devicetree/parse_fdt.ts";
import { aliasMatches } from "../../../lib/kernel/alias_matches.ts";
import { DtDrivers } from "../../../lib/kernel/dt_modules/dt_drivers.ts";
import { ofModalias } from "../../../lib/kernel/dt_modules/of_modalias.ts";
import { foldAlias } from "../../../lib/kernel/module_name.ts";
import { readModuleIndex } from "../../../lib/kernel/read_module_index.ts";
import { DirectoryTree } from "../../../lib/sources/directory.ts";
import { debianArm64 } from "./debian_arm64.ts";
import { boardIndex } from "./fixture_board.ts";

const node = (name: string, properties: Record<string, string>): FdtNode => ({
  name,
  path: `/${name}`,
  parent: undefined,
  children: [],
  properties: new Map(
    Object.entries(properties).map(([key, value]) => [key, new TextEncoder().encode(`${value}\0`)]),
  ),
});

Deno.test("ofModalias() is the kernel's: no unit address, (null) without a type, blanks as _", () => {
  assert.equal(
    ofModalias(node("usb@a600000", { compatible: "acme,soc-dwc3\0snps,dwc3" })),
    "of:NusbT(null)Cacme,soc-dwc3Csnps,dwc3",
  );
  assert.equal(
    ofModalias(node("cpu@0", { device_type: "cpu", compatible: "a b,c d" })),
    "of:NcpuTcpuCa_b,c_d",
  );
});

Deno.test("DtDrivers finds modules by any compatible, each with its alias", () => {
  const index = {
    ...boardIndex(),
    aliases: [
      ...boardIndex().aliases,
      { pattern: "of:N*T*Cacme,g?c", module: "fixed" },
      { pattern: "of:NcodecT*Cacme,gcc", module: "qfprom" },
      { pattern: "of:N*T*Cacme,hsphy", module: "gone" },
    ],
  };
  const drivers = new DtDrivers(index);
  const find = (name: string, compatible: string) => drivers.find(node(name, { compatible }));
  assert.deepEqual(find("phy@1", "acme,soc-hsphy\0acme,hsphy"), [
    { module: "hs_phy", alias: "of:N*T*Cacme,hsphy" },
  ]);
  assert.deepEqual(find("phy@1", "acme,hsphy\0acme,other"), [
    { module: "hs_phy", alias: "of:N*T*Cacme,hsphyC*" },
  ]);
  assert.deepEqual(find("clk", "acme,gcc").map(({ module }) => module), ["acme_gcc", "fixed"]);
  assert.deepEqual(find("codec", "acme,gcc").map(({ module }) => module).sort(), [
    "acme_gcc",
    "fixed",
    "qfprom",
  ]);
  assert.deepEqual(find("typec@22", "onnn,tcpc-x"), [{ module: "tcpc", alias: "i2c:tcpc-x" }]);
  assert.deepEqual(find("x", "acme,none"), []);
  assert.deepEqual(drivers.find(node("x", {})), []);
  assert.ok(drivers.isBuiltin(node("rsc", { compatible: "acme,rsc" })));
  assert.ok(!drivers.isBuiltin(node("rsc", { compatible: "acme,rsc2" })));
});

Deno.test("DtDrivers sorts patterns that never end in no time", () => {
  const pattern = `of:N${"T".repeat(1 << 20)}`;
  const drivers = new DtDrivers({ ...boardIndex(), aliases: [{ pattern, module: "fixed" }] });
  assert.deepEqual(drivers.find(node("x", { compatible: "acme,x" })), []);
});

const debian = debianArm64();
Deno.test({
  name: "DtDrivers agrees with every pattern tried one by one, on Debian's aliases and boards",
  ignore: debian === undefined,
  fn: async () => {
    await using tree = new DirectoryTree(`${debian!.root}/lib/modules`);
    const index = await readModuleIndex(tree, debian!.release);
    const drivers = new DtDrivers(index);
    const patterns = index.aliases.filter(({ pattern }) => pattern.startsWith("of:"))
      .map(({ pattern, module }) => ({ folded: foldAlias(pattern), module }));
    let matched = 0;
    for (const name of ["qcom/apq8016-sbc", "rockchip/rk3399-pinephone-pro"]) {
      const fdt = parseFdt(await Deno.readFile(`${debian!.dtbs}/${name}.dtb`), name);
      for (const node of fdt.nodes.filter(({ properties }) => properties.has("compatible"))) {
        const modalias = foldAlias(ofModalias(node));
        const slow = new Set(
          patterns.filter(({ folded }) => aliasMatches(folded, modalias)).map((p) => p.module),
        );
        const fast = drivers.find(node).filter(({ alias }) => alias.startsWith("of:"));
        assert.deepEqual(fast.map(({ module }) => module).sort(), [...slow].sort(), node.path);
        matched += slow.size;
      }
    }
    assert.ok(matched > 100, `${matched}`);
  },
});
