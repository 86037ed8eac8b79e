/** A phone's device tree in miniature and the modules of its kernel. */
import { parseFdt } from "../../../lib/devicetree/parse_fdt.ts";
import type { Fdt } from "../../../lib/devicetree/fdt.ts";
import type { ModuleIndex } from "../../../lib/kernel/module_index.ts";
import { compileDts } from "../../devicetree/fdt_blob.ts";

/** A dwc3 in its wrapper, with Type-C, whose high-speed PHY alone is in use; everything else is near it. */
export const BOARD = `/dts-v1/;
/ {
  compatible = "acme,phone";
  interrupt-parent = <&intc>;
  xo: xo-board { compatible = "fixed-clock"; #clock-cells = <0>; };
  firmware { scm: scm { compatible = "acme,scm"; clocks = <&xo>; }; };
  soc@0 {
    compatible = "simple-bus";
    gcc: clock-controller@100000 {
      compatible = "acme,gcc";
      #clock-cells = <1>; #reset-cells = <1>; #power-domain-cells = <1>;
      clocks = <&xo>, <&dsi_phy 0>;
    };
    dsi_phy: phy@ae94400 { compatible = "acme,dsi-phy"; #clock-cells = <1>; clocks = <&gcc 7>; };
    qfprom@784000 { compatible = "acme,qfprom"; trim: trim@25b { reg = <0x25b 1>; }; };
    intc: interrupt-controller@17a00000 {
      compatible = "arm,gic-v3"; interrupt-controller; #interrupt-cells = <3>;
    };
    hsphy: phy@88e2000 {
      compatible = "acme,soc-hsphy", "acme,hsphy";
      #phy-cells = <0>;
      resets = <&gcc 12>;
      nvmem-cells = <&trim>;
      vdda-pll-supply = <&ldo12>;
    };
    ssphy: phy@88e9000 {
      compatible = "acme,combo-phy"; #phy-cells = <1>;
      orientation-switch;
      ports {
        port@0 { ssphy_conn: endpoint { remote-endpoint = <&conn_ss>; }; };
        port@2 { ssphy_dp: endpoint { remote-endpoint = <&dp_out>; }; };
      };
    };
    displayport@ae90000 {
      compatible = "acme,dp";
      port { dp_out: endpoint { remote-endpoint = <&ssphy_dp>; }; };
    };
    usb@a6f8800 {
      compatible = "acme,soc-dwc3", "acme,dwc3";
      clocks = <&gcc 1>, <&gcc 2>;
      power-domains = <&gcc 4>;
      status = "okay";
      usb@a600000 {
        compatible = "snps,dwc3";
        interrupts = <0 133 4>;
        iommus = <&smmu 0x740 0>;
        phys = <&hsphy>;
        usb-role-switch;
        dr_mode = "otg";
        ports { port@0 { dwc3_hs: endpoint { remote-endpoint = <&conn_hs>; }; }; };
      };
    };
    usb@a8f8800 {
      compatible = "acme,soc-dwc3", "acme,dwc3";
      status = "disabled";
      usb@a800000 { compatible = "snps,dwc3"; dr_mode = "peripheral"; phys = <&ssphy 0>; };
    };
    smmu: iommu@15000000 { compatible = "arm,mmu-500"; #iommu-cells = <2>; };
    i2c@a90000 {
      compatible = "acme,i2c";
      pinctrl-0 = <&i2c_pins>;
      typec@22 {
        compatible = "onnn,tcpc-x";
        connector {
          compatible = "usb-c-connector";
          vbus-supply = <&vbus>;
          ports {
            port@0 { conn_hs: endpoint { remote-endpoint = <&dwc3_hs>; }; };
            port@1 { conn_ss: endpoint { remote-endpoint = <&ssphy_conn>; }; };
          };
        };
      };
    };
    pinctrl@3400000 { compatible = "acme,pinctrl"; i2c_pins: i2c-pins { pins = "gpio1"; }; };
    rsc@179c0000 {
      compatible = "acme,rsc";
      regulators { compatible = "acme,pm-regulators"; ldo12: ldo12 { vin-supply = <&vbus>; }; };
    };
    wifi@18800000 { compatible = "acme,wifi"; clocks = <&gcc 9>; };
  };
  vbus: vbus { compatible = "regulator-fixed"; };
};`;

/** Module -> the `compatible` strings it answers to. */
const DRIVERS: Record<string, string[]> = {
  acme_dp: ["acme,dp"],
  acme_dsi_phy: ["acme,dsi-phy"],
  acme_gcc: ["acme,gcc"],
  acme_wifi: ["acme,wifi"],
  acme_scm: ["acme,scm"],
  combo_phy: ["acme,combo-phy"],
  dwc3: ["snps,dwc3", "synopsys,dwc3"],
  dwc3_acme: ["acme,dwc3"],
  hs_phy: ["acme,hsphy"],
  i2c_acme: ["acme,i2c"],
  pm_regulator: ["acme,pm-regulators"],
  qfprom: ["acme,qfprom"],
  fixed: ["regulator-fixed"],
};

/** The index of a kernel that has these drivers; `dwc3_acme` calls functions of `acme_scm`. */
export function boardIndex(without: readonly string[] = []): ModuleIndex {
  const names = Object.keys(DRIVERS).filter((name) => !without.includes(name));
  const aliases = names.flatMap((module) =>
    DRIVERS[module]!.flatMap((compatible) => [
      { pattern: `of:N*T*C${compatible}C*`, module },
      { pattern: `of:N*T*C${compatible}`, module },
    ])
  );
  aliases.push({ pattern: "i2c:tcpc-x", module: "tcpc" }, { pattern: "pci:v0*", module: "tcpc" });
  return {
    directory: "usr/lib/modules/6.12.3",
    modules: new Map(
      [...names, "tcpc", "udc_core"].map((name) => [name, {
        name,
        path: `kernel/${name}.ko`,
        dependencies: name === "dwc3" ? ["udc_core"] : name === "dwc3_acme" ? ["acme_scm"] : [],
      }]),
    ),
    softdeps: new Map(),
    aliases,
    builtin: new Set(),
    builtinAliases: ["of:N*T*Cacme,rsc"],
    origin: "depmod",
  };
}

/** The board, with text of its source replaced. */
export async function board(...changes: [from: string, to: string][]): Promise<Fdt> {
  let source = BOARD;
  for (const [from, to] of changes) {
    if (!source.includes(from)) throw new Error(`the board has no "${from}"`);
    source = source.replace(from, to);
  }
  return parseFdt(await compileDts(source), "board");
}
