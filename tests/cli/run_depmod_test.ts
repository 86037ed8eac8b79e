import assert from "node:assert/strict";
import { runModulesDepmod } from "../../lib/cli/run_depmod.ts";
import { symbolModule } from "../kernel/depmod/symbol_module.ts";
import { expectError } from "../kernel/expect_error.ts";
import { temporary, writeFiles } from "../kernel/fixture_tree.ts";

const WRITTEN = [
  ...["modules.alias", "modules.alias.bin", "modules.builtin.alias.bin", "modules.builtin.bin"],
  ...["modules.dep", "modules.dep.bin", "modules.devname", "modules.softdep", "modules.symbols"],
  ...["modules.symbols.bin", "modules.weakdep"],
];

async function depmod(dir: string, output?: string): Promise<string[]> {
  const notes: string[] = [];
  const progress = {
    phase: () => {},
    note: (text: string) => notes.push(text),
    moving: () => {},
    warn: () => {},
  };
  const context = { signal: new AbortController().signal, progress };
  assert.equal(await runModulesDepmod([dir], output === undefined ? {} : { output }, context), 0);
  return notes;
}

function filesIn(dir: string): string[] {
  return [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
}

Deno.test("modules depmod writes the indexes into the release's directory", async () => {
  await using dir = await temporary();
  await writeFiles(dir.path, {
    "kernel/a.ko": symbolModule({ exports: ["fa"] }),
    "kernel/b.ko": symbolModule({ needs: ["fa"] }),
    "modules.dep": "old",
  });
  assert.deepEqual(await depmod(dir.path), [`11 index files in ${dir.path}`]);
  assert.deepEqual(filesIn(dir.path), ["kernel", ...WRITTEN]);
  assert.equal(
    await Deno.readTextFile(`${dir.path}/modules.dep`),
    "kernel/a.ko:\nkernel/b.ko: kernel/a.ko\n",
  );
});

Deno.test("modules depmod -o leaves the directory alone", async () => {
  await using dir = await temporary();
  await writeFiles(dir.path, { "in/kernel/a.ko": symbolModule() });
  await depmod(`${dir.path}/in`, `${dir.path}/out/deep`);
  assert.deepEqual(filesIn(`${dir.path}/in`), ["kernel"]);
  assert.deepEqual(filesIn(`${dir.path}/out/deep`), WRITTEN);
});

Deno.test("modules depmod leaves everything as it was when something fails", async () => {
  await using dir = await temporary();
  await writeFiles(dir.path, { "kernel/a.ko": new Uint8Array(80), "modules.dep": "old" });
  await expectError("corrupt", () => depmod(dir.path), "kernel/a.ko");
  assert.deepEqual(filesIn(dir.path), ["kernel", "modules.dep"]);
  // The last file cannot be written: the first ones must not have been replaced by then.
  await writeFiles(dir.path, { "kernel/a.ko": symbolModule(), "modules.builtin.alias.bin/x": "" });
  await expectError("usage", () => depmod(dir.path), "modules.builtin.alias.bin");
  assert.deepEqual(filesIn(dir.path), ["kernel", "modules.builtin.alias.bin", "modules.dep"]);
  assert.equal(await Deno.readTextFile(`${dir.path}/modules.dep`), "old");
  await expectError("not-found", () => depmod(`${dir.path}/none`), "none");
});
