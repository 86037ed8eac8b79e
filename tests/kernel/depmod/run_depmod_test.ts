import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { runDepmod } from "../../../lib/kernel/depmod/run_depmod.ts";
import { findKernelTree } from "../../../lib/kernel/find_tree.ts";
import { installModules } from "../../../lib/kernel/install_modules.ts";
import { decodeXz } from "../../../lib/images/xz/decode_xz.ts";
import { XzPool } from "../../../lib/images/xz/xz_pool.ts";
import { DirectoryTree } from "../../../lib/sources/directory.ts";
import { expectError } from "../expect_error.ts";
import { temporary, writeFiles } from "../fixture_tree.ts";
import { MemoryTree } from "../memory_tree.ts";
import { hasProgram, realTree } from "../real_trees.ts";
import { debianRoot, OracleRoots } from "./oracle_roots.ts";
import { depmod, HAS_KMOD, modprobeEach } from "./kmod.ts";
import { symbolModule } from "./symbol_module.ts";

const RELEASE = "6.12.3-test";
const D = `lib/modules/${RELEASE}`;
const text = (files: ReadonlyMap<string, Uint8Array>, name: string) =>
  new TextDecoder().decode(files.get(name));
const xz = (stored: Uint8Array, limit: number) => Promise.resolve(decodeXz(stored, limit));
const lines = (content: string) => content.split("\n").sort();

/** Everything in which depmod makes a choice. */
const ODD: Record<string, Uint8Array> = {
  "kernel/a.ko": symbolModule({
    exports: ["fa"],
    modinfo: [
      "alias=x:[a-b]-c",
      "alias=bad]x",
      "alias=bad[x",
      "alias=char-major-10-200",
      "alias=devname:foo/bar",
      "alias=twice",
      "alias=twice",
      "alias=with blank",
      "softdep=pre: q-r post: s",
      "softdep=pre: t",
    ],
  }),
  "kernel/b.ko": symbolModule({ needs: ["fa"], exports: ["fb"], crcs: true }),
  "kernel/weak.ko": symbolModule({ weakNeeds: ["fb"], needs: ["kernel_thing"] }),
  "kernel/stripped.ko": symbolModule({ versions: ["fa", "module_layout"] }),
  "kernel/e-f_g.ko": symbolModule({ exports: ["same"] }),
  "kernel/z.ko": symbolModule({ exports: ["same"] }),
  "kernel/user.ko": symbolModule({ needs: ["same", "fb"] }),
  "kernel/twice.ko": symbolModule({ exports: ["old"] }),
  "updates/twice.ko": symbolModule({ exports: ["new"] }),
  "kernel/needs-new.ko": symbolModule({ needs: ["new", "old"] }),
};
const ODD_ORDER =
  "kernel/z.ko\nkernel/weak.ko\nkernel/b.ko\nkernel/user.ko\nkernel/a.ko\nkernel/z.ko\n" +
  "kernel/e-f_g.ko\nkernel/stripped.ko\n";

Deno.test({
  name: "runDepmod() answers as depmod does where it has a choice",
  ignore: !HAS_KMOD,
  fn: async () => {
    await using dir = await temporary();
    const inside = Object.entries(ODD).map(([path, bytes]) => [`${D}/${path}`, bytes]);
    await writeFiles(dir.path, {
      ...Object.fromEntries(inside),
      [`${D}/modules.order`]: ODD_ORDER,
      [`${D}/modules.builtin`]: "kernel/in-side.ko\n",
      [`${D}/modules.builtin.modinfo`]: "in_side.license=GPL\0in_side.alias=of-side:*\0",
    });
    await depmod(dir.path, RELEASE);
    await using tree = new DirectoryTree(dir.path);
    const files = await runDepmod(tree, D);
    for (const name of ["dep", "alias", "symbols", "softdep", "devname"]) {
      const theirs = await Deno.readTextFile(`${dir.path}/${D}/modules.${name}`);
      assert.deepEqual(lines(text(files, `modules.${name}`)), lines(theirs), name);
    }
    await using roots = await OracleRoots.open(dir.path, D, files);
    const names = ["weak", "b", "user", "a", "e_f-g", "stripped", "twice", "needs_new", "in-side"];
    await roots.compare("--show-depends", names);
    const aliases = [
      "x:a_c",
      "x:[a-b]-c",
      "bad]x",
      "twice",
      "with blank",
      "of-side:7",
      "symbol:fa",
    ];
    await roots.compare("--resolve-alias", [...aliases, "symbol:new", "char-major-10-200", "none"]);
  },
});

Deno.test("runDepmod() reads modules in every compression to the same indexes", async () => {
  const plain = await runDepmod(new MemoryTree(inD(ODD)), D);
  for (const [suffix, encode] of Object.entries({ gz: gzipSync, zst: zstdCompressSync })) {
    const stored = Object.entries(ODD).map(([path, b]) => [`${path}.${suffix}`, encode(b)]);
    const files = await runDepmod(new MemoryTree(inD(Object.fromEntries(stored))), D);
    assert.equal(
      text(files, "modules.dep").replaceAll(`.${suffix}`, ""),
      text(plain, "modules.dep"),
    );
    assert.deepEqual(files.get("modules.alias.bin"), plain.get("modules.alias.bin"));
  }
});

Deno.test("runDepmod() reads large modules in parts to the same indexes", async () => {
  const parts = { exports: ["big"], needs: ["fa"], modinfo: ["alias=large:*"] };
  const many = Array.from({ length: 9000 }, (_, i) => `symbol_number_${i}`);
  const large = symbolModule({ ...parts, textBytes: 400_000 });
  const shapes = {
    headersAtEnd: large,
    // As with a signature that is larger than what is read of the end.
    headersInside: new Uint8Array([...large, ...new Uint8Array(200_000)]),
    symbolsBeforeEnd: symbolModule({ ...parts, textBytes: 400_000, exports: ["big", ...many] }),
  };
  // A large module before them leaves its bytes in the memory that is used again.
  const before = { exports: ["other"], needs: ["same"] };
  const run = async (aa: Uint8Array, big: Uint8Array) =>
    await runDepmod(new MemoryTree(inD({ ...ODD, "aa.ko": aa, "big.ko": big })), D);
  const expected = await run(symbolModule(before), symbolModule(parts));
  for (const [shape, bytes] of Object.entries(shapes)) {
    assert.ok(bytes.length > 400_000);
    const files = await run(symbolModule({ ...before, textBytes: 900_000 }), bytes);
    assert.equal(text(files, "modules.dep"), text(expected, "modules.dep"), shape);
    assert.match(text(files, "modules.symbols"), /^alias symbol:big big$/m, shape);
    assert.match(text(files, "modules.alias"), /^alias large:\* big$/m, shape);
    assert.equal(
      text(files, "modules.symbols").includes("symbol_number_8999 big"),
      shape === "symbolsBeforeEnd",
    );
  }
  const cut = shapes.headersAtEnd.slice(0, 300_000);
  await expectError(
    "corrupt",
    () => runDepmod(new MemoryTree(inD({ "cut.ko": cut })), D),
    "cut.ko",
  );
});

function inD(files: Record<string, Uint8Array>): Record<string, Uint8Array> {
  return Object.fromEntries(Object.entries(files).map(([path, b]) => [`${D}/${path}`, b]));
}

Deno.test("runDepmod() names the chain of modules that need each other", async () => {
  const files = inD({
    "a.ko": symbolModule({ exports: ["fa"], needs: ["fb"] }),
    "b-b.ko": symbolModule({ exports: ["fb"], needs: ["fc"] }),
    "c.ko": symbolModule({ exports: ["fc"], needs: ["fa"] }),
    "outside.ko": symbolModule({ needs: ["fa"] }),
    "below.ko": symbolModule({ exports: ["fd"] }),
  });
  const error = await expectError("tree", () => runDepmod(new MemoryTree(files), D));
  const chain = /need each other: (.*)$/.exec(error.message)![1]!.split(" -> ");
  assert.equal(chain.length, 4);
  assert.equal(chain[0], chain[3]);
  assert.deepEqual(new Set(chain), new Set(["a", "b_b", "c"]));
  assert.ok("a b_b c a b_b c".includes(chain.slice(0, 3).join(" ")), chain.join());
});

Deno.test("runDepmod() names the module that is damaged", async () => {
  const attempt = (name: string, bytes: Uint8Array) => () =>
    runDepmod(new MemoryTree(inD({ ...ODD, [name]: bytes })), D, { xz });
  await expectError("corrupt", attempt("kernel/x.ko", new Uint8Array(99)), "kernel/x.ko");
  await expectError("corrupt", attempt("kernel/x.ko.xz", new Uint8Array(99)), "kernel/x.ko.xz");
  await expectError("corrupt", attempt("kernel/x.ko.gz", new Uint8Array(99)), "kernel/x.ko.gz");
  const bomb = gzipSync(new Uint8Array(300 << 20));
  await expectError("limit", attempt("kernel/x.ko.gz", bomb), "kernel/x.ko.gz");
});

Deno.test("runDepmod() stops when it is told to", async () => {
  const controller = new AbortController();
  const options = { signal: controller.signal, onProgress: () => controller.abort() };
  await expectError("cancelled", () => runDepmod(new MemoryTree(inD(ODD)), D, options));
});

for (const arch of ["x86_64", "aarch64"] as const) {
  const out = realTree(arch);
  Deno.test({
    name: `runDepmod() writes depmod's indexes for the lab's ${arch} tree`,
    ignore: out === undefined || !hasProgram("make") || !HAS_KMOD,
    fn: async () => {
      await using dir = await temporary();
      const env = Deno.env.toObject();
      const installed = await installModules(await findKernelTree(out!, { env }), dir.path, {
        env,
      });
      await using tree = new DirectoryTree(installed.rootPath);
      const files = await runDepmod(tree, installed.directory);
      await compareTexts(`${installed.rootPath}/${installed.directory}`, files);
      await using roots = await OracleRoots.open(installed.rootPath, installed.directory, files);
      await roots.compareAll();
    },
  });
}

const debian = debianRoot();
Deno.test({
  name: "runDepmod() writes depmod's indexes for Debian's 4,230 modules",
  ignore: debian === undefined || !HAS_KMOD,
  fn: async () => {
    const { root, directory } = debian!;
    await using tree = new DirectoryTree(root, { blockingReads: true });
    await using pool = new XzPool();
    const files = await runDepmod(tree, directory, { xz: pool.decode });
    await compareTexts(`${root}/${directory}`, files);
    assert.equal(text(files, "modules.dep").split("\n").length, 4231);
    await using roots = await OracleRoots.open(root, directory, files);
    // FASTBOOP_DEPMOD_FULL=1 asks for every module and 2,500 aliases, which takes a minute.
    await roots.compareAll(Deno.env.get("FASTBOOP_DEPMOD_FULL") === "1" ? 1 : 29);
  },
});

async function compareTexts(theirs: string, ours: ReadonlyMap<string, Uint8Array>): Promise<void> {
  for (const name of ["alias", "symbols", "softdep", "devname", "dep"]) {
    const stored = await Deno.readTextFile(`${theirs}/modules.${name}`);
    if (name === "dep") assert.equal(text(ours, "modules.dep"), stored);
    else assert.deepEqual(lines(text(ours, `modules.${name}`)), lines(stored), name);
  }
}

Deno.test({
  name: "modprobeEach() sees a flipped byte of an index",
  ignore: !HAS_KMOD,
  fn: async () => {
    await using dir = await temporary();
    const files = await runDepmod(new MemoryTree(inD(ODD)), D);
    const dep = files.get("modules.dep.bin")!;
    const ask = async () => {
      await writeFiles(dir.path, {
        ...inD(ODD),
        [`${D}/modules.dep.bin`]: dep,
        [`${D}/modules.alias.bin`]: files.get("modules.alias.bin")!,
      });
      return await modprobeEach(dir.path, RELEASE, "--show-depends", ["user"]);
    };
    const whole = await ask();
    assert.deepEqual(await ask(), whole);
    assert.match(whole[0]!, /kernel\/a\.ko[^]*kernel\/b\.ko[^]*kernel\/user\.ko/);
    const at = new TextDecoder("latin1").decode(dep).indexOf("kernel/user.ko: ");
    dep[at + 20]! ^= 1;
    assert.notDeepEqual(await ask(), whole);
  },
});
