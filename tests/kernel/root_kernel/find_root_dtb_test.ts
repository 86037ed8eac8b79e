import assert from "node:assert/strict";
import { findRootDtb } from "../../../lib/kernel/root_kernel/find_root_dtb.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { dtbHeader } from "../fixture_tree.ts";
import { Link, type RootFiles, rootTree } from "./root_tree.ts";

const name = "qcom/sdm845-oneplus-fajita";
const release = "6.9.0-sdm845";
const find = (files: RootFiles, path?: string) =>
  findRootDtb(rootTree(files), { name, release, path });

for (
  const place of [
    "boot/dtbs/qcom/sdm845-oneplus-fajita.dtb",
    "boot/dtbs/6.9.0-sdm845/qcom/sdm845-oneplus-fajita.dtb",
    "boot/dtb-6.9.0-sdm845/qcom/sdm845-oneplus-fajita.dtb",
    "boot/dtbs-lts/qcom/sdm845-oneplus-fajita.dtb",
    "boot/sdm845-oneplus-fajita.dtb",
    "usr/lib/modules/6.9.0-sdm845/dtb/qcom/sdm845-oneplus-fajita.dtb",
    "usr/lib/linux-image-6.9.0-sdm845/qcom/sdm845-oneplus-fajita.dtb",
    "usr/lib/firmware/6.9.0-sdm845/device-tree/qcom/sdm845-oneplus-fajita.dtb",
    "usr/share/dtb/qcom/sdm845-oneplus-fajita.dtb",
    "dtbs/qcom/sdm845-oneplus-fajita.dtb",
    "usr/lib/modules/6.9.0-sdm845/dtb/qcom/sdm845-oneplus-fajita",
    "usr/lib/firmware/qcom/sdm845-oneplus-fajita.dtb",
    // On a boot partition of its own.
    "dtbs/6.9.0-sdm845/qcom/sdm845-oneplus-fajita.dtb",
    "dtb-6.9.0-sdm845/qcom/sdm845-oneplus-fajita.dtb",
    "dtbs-lts/qcom/sdm845-oneplus-fajita.dtb",
    "dtb/qcom/sdm845-oneplus-fajita.dtb",
    "qcom/sdm845-oneplus-fajita.dtb",
    "sdm845-oneplus-fajita.dtb",
    "efi/dtb/qcom/sdm845-oneplus-fajita.dtb",
  ]
) {
  Deno.test(`findRootDtb() finds ${place}`, async () => {
    assert.deepEqual(await find({ [place]: dtbHeader() }), { path: place, bytes: dtbHeader() });
  });
}

Deno.test("findRootDtb() prefers the release's own and follows links", async () => {
  const found = await find({
    "boot/dtbs/qcom/sdm845-oneplus-fajita.dtb": "of another kernel",
    "boot/dtb": new Link("dtb-6.9.0-sdm845"),
    "boot/dtb-6.9.0-sdm845": new Link("/usr/lib/modules/6.9.0-sdm845/devicetree"),
    "usr/lib/modules/6.9.0-sdm845/devicetree/qcom/sdm845-oneplus-fajita.dtb": dtbHeader(),
  });
  assert.equal(found.path, "boot/dtb-6.9.0-sdm845/qcom/sdm845-oneplus-fajita.dtb");
  const elsewhere = find({ "boot/dtbs/6.1.0/qcom/sdm845-oneplus-fajita.dtb": dtbHeader() });
  await assert.rejects(elsewhere, ofKind("not-found"));
});

Deno.test("findRootDtb() takes a named folder or file and nothing else", async () => {
  const files = {
    "mine/qcom/sdm845-oneplus-fajita.dtb": dtbHeader(),
    "one.dtb": dtbHeader(),
    "boot/dtbs/qcom/sdm845-oneplus-fajita.dtb": dtbHeader(),
  };
  const path = async (place: string) => (await find(files, place)).path;
  assert.equal(await path("/mine/"), "mine/qcom/sdm845-oneplus-fajita.dtb");
  assert.equal(await path("one.dtb"), "one.dtb");
  await assert.rejects(find(files, "/none"), ofKind("not-found", /in "none"/));
});

Deno.test("findRootDtb() names near ones, and refuses what is no device tree", async () => {
  const near = find({ "boot/dtbs/qcom/sdm845-oneplus-fajit.dtb": dtbHeader() });
  await assert.rejects(near, ofKind("not-found", /near ones: sdm845-oneplus-fajit\b[^]*--dtb/));
  const at = "boot/dtbs/qcom/sdm845-oneplus-fajita.dtb";
  await assert.rejects(find({ [at]: "text" }), ofKind("corrupt", /no flattened/));
  await assert.rejects(find({ [at]: new Uint8Array(3 << 20) }), ofKind("limit"));
  const cut = dtbHeader();
  cut[7] = 41;
  await assert.rejects(find({ [at]: cut }), ofKind("corrupt", /cut short/));
  const wild = findRootDtb(rootTree({}), { name: "../../etc/passwd", release });
  await assert.rejects(wild, ofKind("usage"));
});
