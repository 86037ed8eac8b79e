import assert from "node:assert/strict";
import { buildInitramfs, type InitramfsParts } from "../../lib/stage0/initramfs.ts";
import { expectError } from "../kernel/expect_error.ts";
import { elf, moduleElf, temporary } from "../kernel/fixture_tree.ts";
import { hasProgram } from "../kernel/real_trees.ts";

const PARTS: InitramfsParts = {
  init: elf(62, 2, [1], []),
  settings: { rootfs: "erofs", modulesRelease: "6.12.3-test", serial: "0123" },
  modules: [
    { fileName: "crc32c_generic.ko", bytes: moduleElf(), optional: true },
    { fileName: "udc-core.ko", bytes: moduleElf({ depends: "usb-common" }), optional: false },
  ],
};

Deno.test({
  name: "buildInitramfs() makes what cpio(1) unpacks to the layout of stage0/README.md",
  ignore: !hasProgram("cpio"),
  fn: async () => {
    await using dir = await temporary();
    const unpack = new Deno.Command("cpio", {
      args: ["-idm", "--quiet"],
      cwd: dir.path,
      stdin: "piped",
      stderr: "piped",
    }).spawn();
    const writer = unpack.stdin.getWriter();
    await writer.write(buildInitramfs(PARTS));
    await writer.close();
    const { success, stderr } = await unpack.output();
    assert.ok(success, new TextDecoder().decode(stderr));
    const text = (path: string) => Deno.readTextFile(`${dir.path}/${path}`);
    assert.equal(await text("modules/order"), "?crc32c_generic.ko\nudc-core.ko\n");
    assert.equal(await text("etc/stage0/stage0.rootfs"), "erofs\n");
    assert.equal(await text("etc/stage0/stage0.kver"), "6.12.3-test\n");
    assert.deepEqual(await Deno.readFile(`${dir.path}/init`), PARTS.init);
    assert.equal((await Deno.stat(`${dir.path}/init`)).mode! & 0o777, 0o755);
    const udc = await Deno.readFile(`${dir.path}/modules/udc-core.ko`);
    assert.deepEqual(udc, PARTS.modules[1]!.bytes);
    const found: string[] = [];
    for await (const { name } of Deno.readDir(`${dir.path}/etc/stage0`)) found.push(name);
    assert.deepEqual(found.sort(), [
      "stage0.kver",
      "stage0.modules",
      "stage0.rootfs",
      "stage0.serial",
    ]);
  },
});

Deno.test("buildInitramfs() gives the same bytes for the same input, and others for another", () => {
  const bytes = buildInitramfs(PARTS);
  assert.deepEqual(buildInitramfs(structuredClone(PARTS)), bytes);
  const modules = PARTS.modules.toReversed();
  assert.notDeepEqual(buildInitramfs({ ...PARTS, modules }), bytes, "the order of loading counts");
  assert.equal(bytes.length % 4, 0, "another archive may follow");
});

Deno.test("buildInitramfs() has no list when there is nothing to load", () => {
  const text = new TextDecoder("latin1").decode(buildInitramfs({ ...PARTS, modules: [] }));
  assert.ok(text.includes("etc/stage0/stage0.rootfs") && !text.includes("modules/"));
});

Deno.test("buildInitramfs() refuses names stage0 would refuse, and two of one name", async () => {
  const build = (...names: string[]) => () =>
    buildInitramfs({
      ...PARTS,
      modules: names.map((fileName) => ({ fileName, bytes: new Uint8Array(1), optional: false })),
    });
  for (const name of ["a/b.ko", "a b.ko", ".ko", "a.ko.xz", `${"x".repeat(198)}.ko`, "a\n.ko"]) {
    await expectError("unsupported", build(name));
  }
  await expectError("usage", build("a.ko", "a.ko"), "twice");
  const many = Array.from({ length: 3000 }, (_, i) => `module${i}.ko`);
  await expectError("limit", build(...many), "stage0 reads 32767");
});
