import assert from "node:assert/strict";
import { parseFdt } from "../../../lib/devicetree/parse_fdt.ts";
import {
  type DtSelection,
  selectDtModules,
} from "../../../lib/kernel/dt_modules/select_dt_modules.ts";
import { moduleClosure } from "../../../lib/kernel/module_closure.ts";
import { readModuleIndex } from "../../../lib/kernel/read_module_index.ts";
import { parseDeviceProfile } from "../../../lib/profiles/device_profile.ts";
import { DirectoryTree } from "../../../lib/sources/directory.ts";
import { hasProgram } from "../real_trees.ts";
import { debianArm64 } from "./debian_arm64.ts";
import { board, boardIndex } from "./fixture_board.ts";

const ignore = !hasProgram("dtc");
const CONTROLLER = "/soc@0/usb@a6f8800/usb@a600000";
const names = ({ modules }: DtSelection) => modules.map(({ name }) => name).sort();
const reason = (selection: DtSelection, module: string) => {
  const { by, from, path } = selection.modules.find(({ name }) => name === module)!.reasons[0]!;
  return [path.split("/").at(-1), by, from?.split("/").at(-1)];
};

Deno.test({
  name:
    "selectDtModules() takes the controller, its wrapper, and all they point at, and nothing else",
  ignore,
  fn: async () => {
    const selection = selectDtModules(await board(), boardIndex());
    assert.deepEqual(selection.controllers, [CONTROLLER]);
    assert.deepEqual(names(selection), [
      "acme_gcc",
      "acme_scm",
      "combo_phy",
      "dwc3",
      "dwc3_acme",
      "fixed",
      "hs_phy",
      "i2c_acme",
      "pm_regulator",
      "qfprom",
      "tcpc",
    ]);
    assert.deepEqual(reason(selection, "dwc3"), ["usb@a600000", "usb", undefined]);
    assert.deepEqual(reason(selection, "dwc3_acme"), ["usb@a6f8800", "parent", "usb@a600000"]);
    assert.deepEqual(reason(selection, "hs_phy"), ["phy@88e2000", "phys", "usb@a600000"]);
    assert.deepEqual(reason(selection, "qfprom"), [
      "qfprom@784000",
      "nvmem-cells",
      "phy@88e2000",
    ]);
    assert.deepEqual(reason(selection, "pm_regulator"), [
      "regulators",
      "vdda-pll-supply",
      "phy@88e2000",
    ]);
    assert.deepEqual(reason(selection, "combo_phy"), [
      "phy@88e9000",
      "remote-endpoint",
      "connector",
    ]);
    assert.deepEqual(reason(selection, "tcpc"), ["typec@22", "parent", "connector"]);
    assert.deepEqual(reason(selection, "acme_scm"), ["scm", "symbols", "module dwc3_acme"]);
  },
});

Deno.test({
  name: "selectDtModules() leaves displays, clocks that come back and disabled controllers alone",
  ignore,
  fn: async () => {
    const selection = selectDtModules(await board(), boardIndex());
    for (const name of ["acme_dp", "acme_dsi_phy", "acme_wifi"]) {
      assert.ok(!names(selection).includes(name), name);
    }
    // The same clock counts when it does not come from the controller's own.
    const apart = await board(["#clock-cells = <1>; clocks = <&gcc 7>;", "#clock-cells = <1>;"]);
    assert.ok(names(selectDtModules(apart, boardIndex())).includes("acme_dsi_phy"));
  },
});

Deno.test({
  name:
    "selectDtModules() tells built-in drivers from missing ones by the kernel's records and image",
  ignore,
  fn: async () => {
    const fdt = await board();
    const unlit = selectDtModules(fdt, boardIndex(["hs_phy"]));
    const compatible = (list: readonly { compatible: readonly string[] }[]) =>
      list.map((entry) => entry.compatible[0]).sort();
    assert.deepEqual(compatible(unlit.builtin), ["acme,rsc"]);
    assert.deepEqual(unlit.missing, []);
    assert.deepEqual(compatible(unlit.unknown), [
      "acme,pinctrl",
      "acme,soc-hsphy",
      "arm,gic-v3",
      "arm,mmu-500",
      "fixed-clock",
    ]);
    const image = new Uint8Array(4096).fill(0xff);
    ["arm,gic-v3", "arm,mmu-500", "acme,pinctrl", "fixed-clock"].forEach((name, i) => {
      image.fill(0, 200 * i + 7, 200 * i + 199);
      image.set(new TextEncoder().encode(name), 200 * i + 7 + 64);
    });
    image.set(new TextEncoder().encode("\0acme,hsphy\0"), 3000); // a word, but no table
    const lit = selectDtModules(fdt, boardIndex(["hs_phy"]), { image });
    assert.deepEqual(compatible(lit.missing), ["acme,soc-hsphy"]);
    assert.equal(lit.builtin.length, 5);
    assert.deepEqual(lit.unknown, []);
  },
});

Deno.test({
  name: "selectDtModules() knows which controllers can be a USB device",
  ignore,
  fn: async () => {
    const role = `usb-role-switch;\n        dr_mode = "otg";`;
    const count = async (to: string, ...more: [string, string][]) =>
      selectDtModules(await board([role, to], ...more), boardIndex()).controllers.length;
    assert.equal(await count(`dr_mode = "peripheral";`), 1);
    assert.equal(await count(""), 1, "the default is otg");
    assert.equal(await count(`dr_mode = "host"; usb-role-switch;`), 1);
    assert.equal(await count(`dr_mode = "host";`), 0);
    assert.equal(
      await count("", [`"snps,dwc3";\n        interrupts`, `"acme,xhci"; interrupts`]),
      0,
    );
    const none = selectDtModules(await board([role, `dr_mode = "host";`]), boardIndex());
    assert.deepEqual([none.modules, none.unknown], [[], []]);
  },
});

Deno.test({
  name: "selectDtModules() ends on cycles and on phandles that point nowhere",
  ignore,
  fn: async () => {
    const fdt = await board(
      ["phys = <&hsphy>;", "phys = <&hsphy>, <0>, <0x7777 1>; resets = <&gcc>;"],
      ["resets = <&gcc 12>;", "resets = <&gcc 12>; phys = <&hsphy>; clocks;"],
    );
    assert.ok(names(selectDtModules(fdt, boardIndex())).includes("hs_phy"));
  },
});

/**
 * What stands in the profiles' lists and is needed on no board by its device tree: the PHY of a USB 3
 * lane that is not wired, a power domain and an interconnect without a user.
 */
const NOT_IN_TREE: Record<string, string[]> = {
  "oneplus-enchilada": ["phy_qcom_qmp_combo"],
  "oneplus-fajita": ["phy_qcom_qmp_combo"],
  "arrow-db410c": ["rpmpd", "qnoc_msm8916"],
  "samsung-gt510": ["rpmpd", "qnoc_msm8916", "extcon_usb_gpio"],
};
const debian = debianArm64();
Deno.test({
  name: "selectDtModules() finds what the bundled profiles list by hand, on Debian's arm64 kernel",
  ignore: debian === undefined,
  fn: async () => {
    await using tree = new DirectoryTree(`${debian!.root}/lib/modules`);
    const index = await readModuleIndex(tree, debian!.release);
    const devices = new URL("../../../lib/profiles/devices/", import.meta.url);
    let checked = 0;
    for (const { name } of Deno.readDirSync(devices)) {
      const profile = parseDeviceProfile(Deno.readTextFileSync(new URL(name, devices)), name);
      if (profile.devicetreeName?.startsWith("qcom/") !== true) continue;
      const path = `${debian!.dtbs}/${profile.devicetreeName}.dtb`;
      const selection = selectDtModules(parseFdt(await Deno.readFile(path), path), index);
      assert.equal(selection.controllers.length, 1, name);
      const found = moduleClosure(index, names(selection)).map((module) => module.name);
      const lost = profile.kernelModules.map((module) => module.name.replaceAll("-", "_"))
        .filter((module) => index.modules.has(module) && !found.includes(module));
      assert.deepEqual(lost, (NOT_IN_TREE[profile.id] ?? []).filter((m) => index.modules.has(m)));
      assert.ok(found.length < 30, `${name}: ${found.length} modules`);
      checked++;
    }
    assert.equal(checked, 8);
  },
});
