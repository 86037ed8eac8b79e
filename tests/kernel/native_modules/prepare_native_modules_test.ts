import assert from "node:assert/strict";
import { findKernelTree } from "../../../lib/kernel/find_tree.ts";
import { installModules } from "../../../lib/kernel/install_modules.ts";
import type { KernelTree } from "../../../lib/kernel/kernel_tree.ts";
import { checkSigning } from "../../../lib/kernel/native_modules/check_signing.ts";
import {
  type NativeModules,
  prepareNativeModules,
} from "../../../lib/kernel/native_modules/prepare_native_modules.ts";
import { readTreeFile } from "../../../lib/kernel/read_tree_file.ts";
import { expectError } from "../expect_error.ts";
import { SOURCE_FILES, temporary, writeBuild, writeFiles } from "../fixture_tree.ts";
import { hasProgram, realTree } from "../real_trees.ts";
import { shownFiles } from "../shown_files.ts";
import { compareStripped, run } from "./compare_stripped.ts";

Deno.test("prepareNativeModules() starts no program and writes nothing", async () => {
  await using dir = await temporary();
  await writeFiles(dir.path, SOURCE_FILES);
  await writeBuild(dir.path, "x86_64");
  const kernel = await findKernelTree(dir.path, { env: {} });
  await using tree = await prepared(kernel);
  assert.deepEqual([...tree.modules.index.modules.keys()].sort(), ["erofs", "libcrc32c"]);
  assert.deepEqual(tree.modules.index.modules.get("erofs")!.dependencies, ["libcrc32c"]);
  assert.deepEqual(tree.modules.warnings, []);
  assert.ok(await tree.modules.tree.stat(`${tree.modules.directory}/modules.dep.bin`));
});

Deno.test("checkSigning() refuses kernels that take signed modules only, and warns of others", async () => {
  const of = (...symbols: string[]) =>
    checkSigning(
      { outDir: "/t", kconfig: new Map(symbols.map((s) => [s, "y"])) } as unknown as KernelTree,
    );
  assert.equal(of(), undefined);
  assert.equal(of("MODULE_SIG"), undefined);
  assert.match(of("MODULE_SIG", "MODULE_SIG_ALL")!, /tainted/);
  for (const symbol of ["MODULE_SIG_FORCE", "LOCK_DOWN_KERNEL_FORCE_INTEGRITY"]) {
    await expectError("tree", () => of("MODULE_SIG", symbol), symbol, "--modules=make");
  }
});

async function prepared(kernel: KernelTree): Promise<{ modules: NativeModules } & AsyncDisposable> {
  const modules = await prepareNativeModules(kernel);
  return { modules, [Symbol.asyncDispose]: () => modules.tree[Symbol.asyncDispose]() };
}

/** Copies a tree to disk; gives the paths of its files. */
async function copyOut({ tree }: NativeModules, to: string): Promise<string[]> {
  const paths = await shownFiles(tree);
  for (const path of paths) {
    await Deno.mkdir(`${to}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    await Deno.writeFile(`${to}/${path}`, await readTreeFile(tree, path, 64 << 20));
  }
  return paths;
}

for (const arch of ["x86_64", "aarch64"] as const) {
  const out = realTree(arch);
  const tools = ["make", "depmod", "modprobe", "readelf"];
  Deno.test({
    name: `prepareNativeModules() equals make modules_install of the lab's ${arch} tree`,
    ignore: out === undefined || !tools.every(hasProgram),
    fn: async () => {
      await using dir = await temporary();
      const env = Deno.env.toObject();
      const kernel = await findKernelTree(out!, { env });
      const { rootPath, directory } = await installModules(kernel, dir.path, { env });
      await using native = await prepared(kernel);
      const ours = `${dir.path}/native`;
      const paths = await copyOut(native.modules, ours);
      const modules = paths.filter((path) => path.endsWith(".ko"));
      const listed = (await run("find", rootPath, "-type", "f", "-printf", "%P\n")).trim();
      const theirs = listed.split("\n");
      assert.deepEqual(modules.toSorted(), theirs.filter((p) => p.endsWith(".ko")).sort());
      const lost = theirs.filter((path) => !paths.includes(path));
      assert.deepEqual(lost, [], "every file that make installs");
      for (const name of ["modules.order", "modules.builtin", "modules.builtin.modinfo"]) {
        const read = (root: string) => Deno.readFile(`${root}/${directory}/${name}`);
        assert.deepEqual(await read(ours), await read(rootPath), name);
      }
      const { crossCompile } = kernel.toolchain;
      for (const path of modules) {
        await compareStripped(`${ours}/${path}`, `${rootPath}/${path}`, `${crossCompile}nm`);
        const name = path.slice(path.lastIndexOf("/") + 1, -".ko".length);
        const order = async (root: string) =>
          (await run("modprobe", "-S", kernel.release, "-d", `${root}/usr`, "-D", name))
            .replaceAll(root, "");
        assert.equal(await order(ours), await order(rootPath), `modprobe ${name}`);
      }
    },
  });
}
