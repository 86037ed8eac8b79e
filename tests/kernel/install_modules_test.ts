import assert from "node:assert/strict";
import { findKernelTree } from "../../lib/kernel/find_tree.ts";
import { installModules } from "../../lib/kernel/install_modules.ts";
import { moduleClosure } from "../../lib/kernel/module_closure.ts";
import { ModulesTree } from "../../lib/kernel/modules_tree.ts";
import { readModuleIndex } from "../../lib/kernel/read_module_index.ts";
import { readModules } from "../../lib/kernel/read_modules.ts";
import { indexFiles } from "../../lib/kernel/index_files.ts";
import { parseElf } from "../../lib/kernel/elf.ts";
import { DirectoryTree } from "../../lib/sources/directory.ts";
import { stage0Modules } from "../../lib/stage0/stage0_modules.ts";
import { expectError } from "./expect_error.ts";
import {
  fakeMake,
  RELEASE,
  SOURCE_FILES,
  temporary,
  writeBuild,
  writeFiles,
} from "./fixture_tree.ts";
import { hasProgram, realTree } from "./real_trees.ts";

const INSTALL = `for a in "$@"; do case "$a" in INSTALL_MOD_PATH=*) p=\${a#*=};; esac; done
mkdir -p "$p/lib/modules/${RELEASE}/kernel"`;

async function built(arch: "x86_64" | "aarch64" = "x86_64") {
  const dir = await temporary();
  await writeFiles(`${dir.path}/src`, SOURCE_FILES);
  await writeBuild(`${dir.path}/src`, arch);
  await Deno.mkdir(`${dir.path}/run`);
  const tree = await findKernelTree(`${dir.path}/src`, { env: {} });
  return {
    tree,
    run: `${dir.path}/run`,
    bin: `${dir.path}/bin`,
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

Deno.test("installModules() runs one make with fixed arguments and no shell", async () => {
  await using at = await built();
  const env = await fakeMake(at.bin, `${INSTALL}\nprintf '%s\\n' "$@" > ${at.run}/args`);
  const installed = await installModules(at.tree, at.run, { env });
  assert.deepEqual(installed, {
    rootPath: `${at.run}/modules`,
    directory: `usr/lib/modules/${RELEASE}`,
  });
  assert.deepEqual((await Deno.readTextFile(`${at.run}/args`)).trim().split("\n"), [
    "-s",
    "-C",
    at.tree.outDir,
    "ARCH=x86_64",
    "modules_install",
    `INSTALL_MOD_PATH=${at.run}/modules/usr`,
    "INSTALL_MOD_STRIP=1",
  ]);
});

Deno.test("installModules() switches the compression of modules off", async () => {
  await using at = await built();
  const env = await fakeMake(at.bin, `${INSTALL}\nprintf '%s\\n' "$@" > ${at.run}/args`);
  const kconfig = new Map([...at.tree.kconfig, ["MODULE_COMPRESS_XZ", "y"], [
    "MODULE_COMPRESS_ALL",
    "y",
  ]]);
  await installModules({ ...at.tree, kconfig }, at.run, { env, strip: false });
  const args = (await Deno.readTextFile(`${at.run}/args`)).trim().split("\n");
  assert.deepEqual(args.slice(-2), ["CONFIG_MODULE_COMPRESS_ALL=", "CONFIG_MODULE_COMPRESS_XZ="]);
  assert.ok(!args.includes("INSTALL_MOD_STRIP=1"));
});

Deno.test("installModules() passes on how make failed", async () => {
  await using at = await built();
  const env = await fakeMake(at.bin, "echo 'No space left on device' >&2; exit 2");
  const install = (more = {}) => () => installModules(at.tree, at.run, { env, ...more });
  await expectError("tree", install(), "Install the modules", "exited with 2", "No space left");
  await Deno.remove(`${at.bin}/make`);
  await expectError("tree", install({ env: { PATH: at.run }, strip: false }), "no make in PATH");
  await fakeMake(at.bin, "exit 0");
  await expectError(
    "tree",
    install({ env: { PATH: `${at.bin}:/usr/bin:/bin` } }),
    "there is no usr",
  );
  await fakeMake(at.bin, "exec sleep 60");
  await expectError("tree", install({ deadlineMs: 200 }), "not done after 0.2 s");
});

Deno.test("installModules() looks for the right strip before it starts", async () => {
  await using at = await built("aarch64");
  const env = await fakeMake(at.bin, INSTALL);
  const only = { PATH: at.bin };
  await expectError(
    "tree",
    () => installModules(at.tree, at.run, { env: only }),
    '"aarch64-linux-gnu-strip" is not in PATH',
    "binutils-aarch64-linux-gnu",
  );
  await Deno.writeTextFile(`${at.bin}/aarch64-linux-gnu-strip`, "", { mode: 0o755 });
  await installModules(at.tree, at.run, { env });
});

Deno.test("installModules() refuses a directory kbuild cannot install into", async () => {
  await using at = await built();
  for (const run of ["/tmp/a b", "/tmp/a:b", "/tmp/$(x)", "/tmp/a%b"]) {
    await expectError("tree", () => installModules(at.tree, run, { env: {} }), "TMPDIR");
  }
});

for (const arch of ["x86_64", "aarch64"] as const) {
  const out = realTree(arch);
  Deno.test({
    name: `installModules() to the modules of the initramfs, from the lab's ${arch} tree`,
    ignore: out === undefined || !hasProgram("make"),
    fn: async () => {
      await using dir = await temporary();
      const env = Deno.env.toObject();
      const tree = await findKernelTree(out!, { env });
      const { rootPath, directory } = await installModules(tree, dir.path, { env });
      await using inner = new DirectoryTree(rootPath);
      const index = await readModuleIndex(inner, directory);
      const names = stage0Modules({ rootfs: "erofs", modulesExport: true });
      const closure = moduleClosure(index, names);
      const order = closure.map(({ name }) => name);
      for (const before of ["libcrc32c", "erofs", "ext4"]) {
        assert.ok(order.indexOf("crc32c_generic") < order.indexOf(before), order.join());
      }
      assert.ok(closure.find(({ name }) => name === "crc32c_generic")!.optional);
      const loaded = await readModules(inner, directory, closure, tree);
      for (const { bytes, fileName } of loaded) {
        const sections = parseElf(bytes, fileName).sections.map((s) => s.name);
        assert.ok(!sections.some((s) => s.startsWith(".debug")), fileName);
      }
    },
  });

  Deno.test({
    name: `readModuleIndex() computes depmod's answers for the lab's ${arch} tree`,
    ignore: out === undefined || !hasProgram("make") || !hasProgram("depmod"),
    fn: async () => {
      await using dir = await temporary();
      const env = Deno.env.toObject();
      const tree = await findKernelTree(out!, { env });
      const { rootPath, directory } = await installModules(tree, dir.path, { env });
      const read = async () => {
        const inner = new DirectoryTree(rootPath);
        const index = await readModuleIndex(inner, directory);
        return { inner, index };
      };
      const first = await read();
      assert.equal(first.index.origin, "depmod");
      await first.inner[Symbol.asyncDispose]();
      for (const name of ["dep", "softdep", "alias"]) {
        await Deno.remove(`${rootPath}/${directory}/modules.${name}`);
      }
      const second = await read();
      assert.equal(second.index.origin, "modinfo");
      for (const [name, module] of first.index.modules) {
        const ours = second.index.modules.get(name)!;
        assert.equal(ours.path, module.path);
        assert.deepEqual(ours.dependencies.toSorted(), module.dependencies.toSorted(), name);
        const positions = ours.dependencies.map((d) => second.index.modules.get(d)!);
        for (const [i, dependency] of positions.entries()) {
          const later = new Set(ours.dependencies.slice(i + 1));
          assert.ok(!dependency.dependencies.some((d) => later.has(d)), `${name}: load order`);
        }
      }
      assert.equal(first.index.modules.size, second.index.modules.size);
      assert.deepEqual(second.index.softdeps, first.index.softdeps);
      const aliases = (list: typeof first.index.aliases) =>
        list.map(({ pattern, module }) => `${pattern} ${module}`).sort();
      assert.deepEqual(aliases(second.index.aliases), aliases(first.index.aliases));
      await using image = new ModulesTree(second.inner, {
        directory,
        added: indexFiles(second.index),
      });
      const shown = (await image.list(directory)).map(({ name }) => name);
      assert.ok(["modules.dep", "modules.alias", "kernel"].every((name) => shown.includes(name)));
      assert.ok(!shown.includes("build"));
    },
  });
}
