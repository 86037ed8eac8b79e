import assert from "node:assert/strict";
import { FirmwareFolder } from "../../../lib/kernel/firmware/firmware_folder.ts";
import { ModulesTree } from "../../../lib/kernel/modules_tree.ts";
import { planFirmware } from "../../../lib/kernel/firmware/plan_firmware.ts";
import { readTreeFile } from "../../../lib/kernel/read_tree_file.ts";
import { DirectoryTree } from "../../../lib/sources/directory.ts";
import { temporary, writeFiles } from "../fixture_tree.ts";
import { MemoryTree } from "../memory_tree.ts";
import { shownFiles } from "../shown_files.ts";

const D = "usr/lib/modules/6.12";
const bytesOf = (text: string) => new TextEncoder().encode(text);

async function folder(path: string, list: readonly string[]): Promise<FirmwareFolder> {
  const source = new DirectoryTree(path);
  const root = { tree: source, directory: "", release: "6.12" };
  const { files } = await planFirmware(root, { policy: "list", list, modules: [] });
  const modules = new MemoryTree({ [`${D}/modules.dep`]: "", [`${D}/kernel/a.ko`]: "a" });
  const inner = new ModulesTree(modules, { directory: D });
  return new FirmwareFolder(inner, { directory: D, files, source });
}

Deno.test("FirmwareFolder shows firmware beside the modules, links as what they lead to", async () => {
  await using dir = await temporary();
  await writeFiles(dir.path, { "new/a.bin": bytesOf("aa"), "b.bin": bytesOf("b") });
  await Deno.symlink("new", `${dir.path}/old`);
  await Deno.symlink("new/a.bin", `${dir.path}/a.bin`);
  await using tree = await folder(dir.path, ["old/a.bin", "a.bin", "b.bin", "none.bin"]);
  assert.deepEqual(await shownFiles(tree), [
    `${D}/firmware/a.bin`,
    `${D}/firmware/b.bin`,
    `${D}/firmware/old/a.bin`,
    `${D}/kernel/a.ko`,
    `${D}/modules.dep`,
  ]);
  for (const name of ["a.bin", "old/a.bin"]) {
    const path = `${D}/firmware/${name}`;
    assert.deepEqual(await readTreeFile(tree, path, 100), bytesOf("aa"));
    assert.equal((await tree.stat(path))!.mode, 0o644);
    assert.equal((await tree.stat(path))!.mtimeSeconds, 0);
  }
  assert.equal((await tree.stat(`${D}/firmware/old`))!.kind, "directory");
  assert.equal(await tree.stat(`${D}/firmware/new`), undefined);
});

Deno.test("FirmwareFolder answers source for firmware that changed since it was planned", async () => {
  await using dir = await temporary();
  await writeFiles(dir.path, { "b.bin": bytesOf("before") });
  await using tree = await folder(dir.path, ["b.bin"]);
  await writeFiles(dir.path, { "b.bin": bytesOf("afterwards") });
  await assert.rejects(readTreeFile(tree, `${D}/firmware/b.bin`, 100), { kind: "source" });
});
