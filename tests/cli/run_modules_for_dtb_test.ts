import assert from "node:assert/strict";
import { compileDts } from "../devicetree/fdt_blob.ts";
import { BOARD, boardIndex } from "../kernel/dt_modules/fixture_board.ts";
import { temporary, writeFiles } from "../kernel/fixture_tree.ts";
import { hasProgram } from "../kernel/real_trees.ts";
import { Fastboop } from "../support/fastboop.ts";

const ignore = !hasProgram("dtc");

/** The board's blob, and a modules directory with the indexes of its kernel. */
async function write(dir: string, source = BOARD): Promise<void> {
  const { modules, aliases } = boardIndex();
  const needs = (name: string) =>
    modules.get(name)!.dependencies.map((needed) => modules.get(needed)!.path).join(" ");
  await writeFiles(dir, {
    "board.dtb": await compileDts(source),
    "m/6.12.3/modules.dep": [...modules.values()]
      .map(({ name, path }) => `${path}: ${needs(name)}\n`).join(""),
    "m/6.12.3/modules.alias": aliases
      .map(({ pattern, module }) => `alias ${pattern} ${module}\n`).join(""),
    "m/6.12.3/modules.softdep": "",
  });
}

async function forDtb(dir: string, ...args: string[]) {
  await using run = await Fastboop.start(["modules", "for-dtb", "board.dtb", ...args], {
    cwd: dir,
  });
  const { code, stdout, talk } = await run.ended;
  return { code, stdout: new TextDecoder().decode(stdout), talk };
}

Deno.test({
  name: "modules for-dtb prints paths in load order, and on stderr what has no module",
  ignore,
  fn: async () => {
    await using dir = await temporary();
    await write(dir.path);
    const { code, stdout, talk } = await forDtb(dir.path, "--modules-dir", "m/6.12.3/");
    assert.equal(code, 0, talk);
    const paths = stdout.trimEnd().split("\n");
    const at = (name: string) => paths.indexOf(`${dir.path}/m/6.12.3/kernel/${name}.ko`);
    assert.equal(paths.length, 12);
    assert.ok(at("udc_core") >= 0 && at("udc_core") < at("dwc3"), stdout);
    assert.ok(at("acme_scm") >= 0 && at("acme_scm") < at("dwc3_acme"), stdout);
    assert.match(talk, /USB device controller: \/soc@0\/usb@a6f8800\/usb@a600000/);
    assert.match(talk, /built in, or not built: arm,mmu-500 \(.*iommus of/);
  },
});

Deno.test({
  name: "modules for-dtb --json gives every module its reasons",
  ignore,
  fn: async () => {
    await using dir = await temporary();
    await write(dir.path);
    const { code, stdout } = await forDtb(dir.path, "--modules-dir=m/6.12.3", "--json");
    assert.equal(code, 0);
    const { modules, unknown } = JSON.parse(stdout);
    const phy = modules.find(({ name }: { name: string }) => name === "hs_phy");
    assert.deepEqual(phy.reasons, [{
      path: "/soc@0/phy@88e2000",
      compatible: ["acme,soc-hsphy", "acme,hsphy"],
      from: "/soc@0/usb@a6f8800/usb@a600000",
      by: "phys",
      alias: "of:N*T*Cacme,hsphy",
    }]);
    const udc = modules.find(({ name }: { name: string }) => name === "udc_core");
    assert.deepEqual([udc.reasons, udc.neededBy], [[], ["dwc3"]]);
    assert.ok(unknown.length > 3);
  },
});

Deno.test({
  name: "modules for-dtb says what is wrong: no controller, a broken blob, no modules",
  ignore,
  fn: async () => {
    await using dir = await temporary();
    await write(dir.path, BOARD.replace(/usb-role-switch;\s*dr_mode = "otg"/, 'dr_mode = "host"'));
    const none = await forDtb(dir.path, "--modules-dir=m/6.12.3");
    assert.deepEqual([none.code, none.stdout], [3, ""]);
    assert.match(none.talk, /dr_mode/);
    const both = await forDtb(dir.path);
    assert.equal(both.code, 2, both.talk);
    const lost = await forDtb(dir.path, "--modules-dir=m/6.12.4");
    assert.notEqual(lost.code, 0);
    assert.match(lost.talk, /6\.12\.4/);
    await writeFiles(dir.path, { "board.dtb": "no" });
    assert.equal((await forDtb(dir.path, "--modules-dir=m/6.12.3")).code, 4);
  },
});
