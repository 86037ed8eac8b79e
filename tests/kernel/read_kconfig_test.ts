import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { concat } from "../../lib/bytes/concat.ts";
import { extractIkconfig } from "../../lib/kernel/extract_ikconfig.ts";
import { readKconfig } from "../../lib/kernel/read_kconfig.ts";
import { TreeFiles } from "../../lib/kernel/tree_files.ts";
import { expectError } from "./expect_error.ts";
import {
  arm64Image,
  bzImage,
  elf,
  outputMakefile,
  SOURCE_FILES,
  temporary,
  writeFiles,
  zboot,
} from "./fixture_tree.ts";
import { hasProgram, realTree } from "./real_trees.ts";

const encoder = new TextEncoder();
const CONFIG = "#\n# Linux/arm64 6.12.3 Kernel Configuration\n#\nCONFIG_ARM64=y\n" +
  "# CONFIG_FOO is not set\nCONFIG_EROFS_FS=m\n";
/** What kernel/configs.c puts into a kernel. */
const ikconfig = (text = CONFIG) =>
  concat([encoder.encode("IKCFG_ST"), gzipSync(encoder.encode(text)), encoder.encode("IKCFG_ED")]);
const arm = concat([arm64Image(), new Uint8Array(777), ikconfig(), new Uint8Array(99)]);
const vmlinux = elf(62, 2, [], [{ name: ".rodata", data: ikconfig() }]);

/** A bzImage whose payload holds `packed`, with the plain size behind it unless it is gzip. */
function bzImageWith(packed: Uint8Array, plainSizeBytes?: number): Uint8Array {
  const size = new Uint8Array(plainSizeBytes === undefined ? 0 : 4);
  if (plainSizeBytes !== undefined) new DataView(size.buffer).setUint32(0, plainSizeBytes, true);
  const payload = concat([packed, size]);
  const header = bzImage();
  const bytes = concat([header, payload, new Uint8Array(16)]);
  const view = new DataView(bytes.buffer);
  view.setUint32(0x248, header.length - 1024, true);
  view.setUint32(0x24c, payload.length, true);
  return bytes;
}

const IMAGES: Record<string, Uint8Array> = {
  "config": encoder.encode(CONFIG),
  "config.gz": gzipSync(encoder.encode(CONFIG)),
  "vmlinux": vmlinux,
  "Image": arm,
  "Image.gz": gzipSync(arm),
  "Image.zst": zstdCompressSync(arm),
  "vmlinuz.efi": zboot("gzip", gzipSync(arm)),
  "vmlinuz-zstd.efi": zboot("zstd22", zstdCompressSync(arm), arm.length),
  "bzImage": bzImageWith(gzipSync(vmlinux)),
  "bzImage-zstd": bzImageWith(zstdCompressSync(vmlinux), vmlinux.length),
};

for (const [name, bytes] of Object.entries(IMAGES)) {
  Deno.test(`readKconfig() reads ${name}`, async () => {
    await using dir = await temporary();
    await writeFiles(dir.path, { [name]: bytes });
    const found = await readKconfig(new TreeFiles(), `${dir.path}/${name}`);
    assert.equal(found.origin, name.startsWith("config") ? "text" : "kernel");
    assert.deepEqual([...found.kconfig], [["ARM64", "y"], ["EROFS_FS", "m"]]);
  });
}

for (const codec of ["lz4", "xz"] as const) {
  Deno.test({
    name: `readKconfig() reads what ${codec} compressed`,
    ignore: !hasProgram(codec),
    fn: async () => {
      await using dir = await temporary();
      // More than one block of lz4, of bytes that do not shrink to nothing.
      const noise = new Uint8Array(9 << 20).map((_, i) => (i * i) >>> 7);
      await writeFiles(dir.path, { kernel: concat([noise, arm]) });
      const args = codec === "lz4" ? ["-l", "-q", "kernel", "kernel.out"] : ["-k", "-0", "kernel"];
      const ran = await new Deno.Command(codec, { args, cwd: dir.path }).output();
      assert.ok(ran.success);
      const path = `${dir.path}/kernel.${codec === "lz4" ? "out" : "xz"}`;
      assert.equal((await readKconfig(new TreeFiles(), path)).kconfig.size, 2);
      const cut = (await Deno.readFile(path)).slice(0, 5000);
      await writeFiles(dir.path, { cut });
      await expectError(
        "corrupt",
        () => readKconfig(new TreeFiles(), `${dir.path}/cut`),
        "cut",
      );
    },
  });
}

Deno.test("readKconfig() reads the .config of a tree, of its output directory, and of KBUILD_OUTPUT", async () => {
  await using dir = await temporary();
  await writeFiles(dir.path, {
    ...Object.fromEntries(Object.entries(SOURCE_FILES).map(([k, v]) => [`src/${k}`, v])),
    "out/Makefile": outputMakefile(`${dir.path}/src`),
    "out/.config": CONFIG,
  });
  const files = new TreeFiles();
  const config = `${dir.path}/out/.config`;
  assert.equal((await readKconfig(files, `${dir.path}/out`)).path, config);
  const options = { kbuildOutput: `${dir.path}/out` };
  assert.equal((await readKconfig(files, `${dir.path}/src/fs`, options)).path, config);
  await expectError("tree", () => readKconfig(files, `${dir.path}/src`), "defconfig");
});

Deno.test("readKconfig() names what it cannot use, by kind", async () => {
  await using dir = await temporary();
  const path = (name: string) => `${dir.path}/${name}`;
  const cut = arm.slice(0, arm.length - 110);
  const broken = Uint8Array.from(arm);
  broken[4096 + 777 + 8 + 30]! ^= 0xff;
  await writeFiles(dir.path, {
    plain: arm64Image(),
    text: "Hello\n",
    empty: "",
    cut,
    broken,
    gz: gzipSync(arm).subarray(0, 200),
    bz2: encoder.encode("BZh91AY&SY"),
    lzo: zboot("lzo", concat([new Uint8Array([0x89, 0x4c, 0x5a, 0x4f]), new Uint8Array(9)]), 9),
    xz: new Uint8Array([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 4]),
  });
  const read = (name: string) => () => readKconfig(new TreeFiles(), path(name));
  await expectError("not-found", read("none"), "none");
  await expectError("unsupported", read("plain"), "CONFIG_IKCONFIG");
  await expectError("unsupported", read("text"), "no configuration");
  await expectError("unsupported", read("empty"), "no configuration");
  await expectError("corrupt", read("cut"), "IKCFG_ED");
  await expectError("corrupt", read("broken"), "gzip stream is broken");
  await expectError("corrupt", read("gz"), path("gz"));
  await expectError("unsupported", read("bz2"), "bzip2");
  await expectError("unsupported", read("lzo"), "lzo");
  await expectError("corrupt", read("xz"), "xz");
});

Deno.test("extractIkconfig() bounds what comes out", async () => {
  const bomb = ikconfig("#".repeat(17 << 20));
  await expectError("limit", () => extractIkconfig(bomb, "x"), "16777216");
  assert.equal(extractIkconfig(arm64Image(), "x"), undefined);
});

const SCRIPT = `${realTree("x86_64") ?? ""}/source/scripts/extract-ikconfig`;
Deno.test({
  name: "readKconfig() finds what the kernel's extract-ikconfig finds",
  ignore: realTree("x86_64") === undefined || !hasProgram("zcat"),
  fn: async () => {
    await using dir = await temporary();
    for (const name of ["vmlinux", "Image", "Image.gz", "bzImage"]) {
      await writeFiles(dir.path, { [name]: IMAGES[name]! });
      const { stdout } = await new Deno.Command("sh", {
        args: [SCRIPT, `${dir.path}/${name}`],
        stderr: "null",
      }).output();
      assert.equal(new TextDecoder().decode(stdout), CONFIG, name);
    }
  },
});
