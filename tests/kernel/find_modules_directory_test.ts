import assert from "node:assert/strict";
import { findModulesDirectory } from "../../lib/kernel/find_modules_directory.ts";
import { ofKind } from "../support/expect_kind.ts";
import { Link, type RootFiles, rootTree } from "./root_kernel/root_tree.ts";

const find = (files: RootFiles, release?: string) => findModulesDirectory(rootTree(files), release);

Deno.test("findModulesDirectory() goes by links, and counts a merged directory once", async () => {
  const merged = { "lib": new Link("usr/lib"), "usr/lib/modules/6.1.0/modules.dep": "" };
  assert.equal(await find(merged), "usr/lib/modules/6.1.0");
  assert.equal(await find({ "lib/modules/6.1.0/kernel/a.ko": "" }), "lib/modules/6.1.0");
  const elsewhere = {
    "usr/lib/modules": new Link("/run/kernel/modules"),
    "run/kernel/modules/6.1.0/modules.order": "",
  };
  assert.equal(await find(elsewhere), "run/kernel/modules/6.1.0");
});

Deno.test("findModulesDirectory() passes over what a removed kernel leaves", async () => {
  const left = { "lib/modules/6.1.0/updates/x.ko": "", "lib/modules/6.2.0/modules.dep": "" };
  assert.equal(await find(left), "lib/modules/6.2.0");
  await assert.rejects(find(left, "6.1.0"), ofKind("not-found", /has 6\.1\.0/));
});

Deno.test("findModulesDirectory() asks for a release when there are several", async () => {
  const two = { "lib/modules/6.1.0/modules.dep": "", "usr/lib/modules/6.2.0/modules.dep": "" };
  await assert.rejects(find(two), ofKind("usage", /6\.2\.0, 6\.1\.0[^]*--release/));
  assert.equal(await find(two, "6.1.0"), "lib/modules/6.1.0");
  await assert.rejects(find({}), ofKind("not-found", /a release/));
});
