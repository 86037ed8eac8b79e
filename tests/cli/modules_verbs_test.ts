/** The `modules` verbs as a user runs them: exit codes, stdout, what they leave. */
import assert from "node:assert/strict";
import { zstdCompressSync } from "node:zlib";
import { runDepmod } from "../../lib/kernel/depmod/run_depmod.ts";
import { DirectoryTree } from "../../lib/sources/directory.ts";
import { hasTool, run } from "../filesystems/foreign_tools.ts";
import { moduleElf, RELEASE, temporary, writeFiles } from "../kernel/fixture_tree.ts";
import { debianModules } from "../kernel/real_trees.ts";
import { assertFailed, fastboop } from "../support/fastboop.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const lines = (bytes: Uint8Array) => text(bytes).split("\n").filter((line) => line !== "");

/** r8169 with its PHY and firmware, in a release's directory below `<path>/usr/lib/modules`. */
async function fixture(path: string): Promise<string> {
  const release = `${path}/usr/lib/modules/${RELEASE}`;
  await writeFiles(release, {
    "kernel/net/r8169.ko": moduleElf({
      depends: "libphy,mdio_devres",
      softdep: "pre: realtek",
      firmware: ["rtl_nic/rtl8168g-2.fw", "rtl_nic/none.fw"],
    }),
    "kernel/net/phy/libphy.ko": moduleElf(),
    "kernel/net/phy/mdio_devres.ko.zst": zstdCompressSync(moduleElf({ depends: "libphy" })),
    "kernel/net/phy/realtek.ko": moduleElf({ depends: "libphy" }),
    "modules.builtin": "kernel/fs/configfs/configfs.ko\n",
  });
  await writeFiles(`${path}/usr/lib/firmware`, { "rtl_nic/rtl8168h-2.fw": "firmware" });
  await Deno.symlink("rtl8168h-2.fw", `${path}/usr/lib/firmware/rtl_nic/rtl8168g-2.fw`);
  await using tree = new DirectoryTree(release);
  for (const [name, bytes] of await runDepmod(tree, "")) {
    await Deno.writeFile(`${release}/${name}`, bytes);
  }
  return release;
}

Deno.test("modules resolve prints one path per line in load order", async () => {
  await using dir = await temporary();
  const release = await fixture(dir.path);
  const ended = await fastboop([
    "modules",
    "resolve",
    "r8169",
    "configfs",
    "--modules-dir",
    release,
  ]);
  assert.equal(ended.code, 0, ended.talk);
  const paths = lines(ended.stdout).map((path) => path.slice(`${release}/kernel/net/`.length));
  assert.deepEqual([...paths].sort(), [
    "phy/libphy.ko",
    "phy/mdio_devres.ko.zst",
    "phy/realtek.ko",
    "r8169.ko",
  ]);
  assert.equal(paths[0], "phy/libphy.ko");
  assert.equal(paths[3], "r8169.ko");
  assert.match(ended.talk, /configfs: built into the kernel/);
});

Deno.test("modules resolve --json has the reasons, and --rootfs takes a directory", async () => {
  await using dir = await temporary();
  await fixture(dir.path);
  const args = ["modules", "resolve", "r8169", "--json", "--rootfs", dir.path];
  const ended = await fastboop(args);
  assert.equal(ended.code, 0, ended.talk);
  const { release, modules } = JSON.parse(text(ended.stdout));
  assert.equal(release, RELEASE);
  const realtek = modules.find(({ name }: { name: string }) => name === "realtek");
  assert.equal(realtek.optional, true);
  assert.deepEqual(realtek.reasons, [{
    kind: "soft",
    of: "r8169",
    when: "pre",
    word: "realtek",
    text: "soft dependency (pre) of r8169",
  }]);
});

Deno.test("modules resolve refuses an unknown name with near ones, and reports a set's", async () => {
  await using dir = await temporary();
  const release = await fixture(dir.path);
  const at = ["--modules-dir", release];
  const resolve = async (...words: string[]) => await fastboop(["modules", "resolve", ...words]);
  assertFailed(await resolve("r8168", ...at), 10, /"r8168" \(near: r8169\).*4 modules/);
  assertFailed(await resolve("@nics", ...at), 2, /@nic/);
  assertFailed(await resolve("r8169"), 2, /--modules-dir/);
  const set = await resolve("@nic", ...at);
  assert.equal(set.code, 0, set.talk);
  assert.equal(lines(set.stdout).length, 4);
  assert.match(set.talk, /@nic: \d+ not in this kernel: .*tg3/);
});

Deno.test("modules resolve takes a set file and a Zero-OS list, telling ignored hints", async () => {
  await using dir = await temporary();
  const release = await fixture(dir.path);
  await writeFiles(dir.path, {
    "board.list": "[stage1]\n@zos\n-realtek\nlibphy\n",
    "zos.conf": "stage1:realtek\nstage1:mdio_devres:rtl_nic\n",
    "bad.list": "[stage1]\nlibphy two\n",
  });
  const files = ["--modules-dir", release, "--zero-os-list", `${dir.path}/zos.conf`];
  const good = ["@board", "--set-file", `${dir.path}/board.list`];
  const ended = await fastboop(["modules", "resolve", ...good, ...files]);
  assert.equal(ended.code, 0, ended.talk);
  assert.deepEqual(lines(ended.stdout).map((path) => path.replace(/.*\//, "")), [
    "libphy.ko",
    "mdio_devres.ko.zst",
  ]);
  assert.match(ended.talk, /line 2: the hint "rtl_nic" of mdio_devres is ignored/);
  const bad = ["@bad", "--set-file", `${dir.path}/bad.list`];
  assertFailed(await fastboop(["modules", "resolve", ...bad, ...files]), 2, /@bad, line 2/);
});

Deno.test("modules why prints the chains", async () => {
  await using dir = await temporary();
  const release = await fixture(dir.path);
  const why = async (...words: string[]) =>
    await fastboop(["modules", "why", ...words, "--modules-dir", release]);
  const chain = await why("realtek", "--from", "r8169");
  assert.equal(
    text(chain.stdout),
    "r8169 (requested) -> realtek (soft dependency (pre) of r8169)\n",
    chain.talk,
  );
  const all = text((await why("r8169")).stdout);
  for (const name of ["realtek", "libphy", "mdio_devres"]) assert.match(all, new RegExp(name));
  assertFailed(await why("r8169", "--from", "libphy"), 3, /nothing brings it/);
});

Deno.test("modules pack writes a directory that verifies, with firmware and its link", async () => {
  await using dir = await temporary();
  await fixture(dir.path);
  const out = `${dir.path}/out`;
  const pack = ["modules", "pack", "r8169", "--rootfs", dir.path, "-o", `${out}/`];
  const packed = await fastboop(pack);
  assert.equal(packed.code, 0, packed.talk);
  assert.match(packed.talk, /warning: firmware rtl_nic\/none\.fw is not there, named by r8169/);
  const firmware = `${out}/usr/lib/firmware/rtl_nic`;
  assert.equal(await Deno.readTextFile(`${firmware}/rtl8168g-2.fw`), "firmware");
  assert.equal(await Deno.readLink(`${firmware}/rtl8168g-2.fw`), "rtl8168h-2.fw");
  const release = `${out}/usr/lib/modules/${RELEASE}`;
  const whole = await fastboop(["modules", "verify", release]);
  assert.equal(whole.code, 0, text(whole.stdout) + whole.talk);
  assertFailed(await fastboop(pack), 2, /there already/);
  await Deno.remove(`${release}/kernel/net/phy/libphy.ko`);
  const broken = await fastboop(["modules", "verify", release]);
  assert.equal(broken.code, 4, broken.talk);
  assert.match(text(broken.stdout), /^kernel\/net\/phy\/libphy\.ko: .*no such file$/m);
});

Deno.test({
  name: "modules pack writes archives and images that foreign tools read",
  ignore: !hasTool("cpio") || !hasTool("e2fsck"),
  fn: async () => {
    await using dir = await temporary();
    await fixture(dir.path);
    const pack = async (...words: string[]) => {
      const ended = await fastboop(["modules", "pack", "r8169", "--rootfs", dir.path, ...words]);
      assert.equal(ended.code, 0, ended.talk);
      return ended.stdout;
    };
    const stdin = await pack("--format", "cpio", "--prefix", "lib", "-o", "-");
    const names = (await run("cpio", ["-it", "--quiet"], { stdin })).stdout.split("\n");
    assert.ok(names.includes("lib/firmware/rtl_nic/rtl8168g-2.fw"), names.join("\n"));
    assert.ok(names.includes(`lib/modules/${RELEASE}/modules.dep.bin`));
    const image = `${dir.path}/modules.img`;
    await pack("--firmware", "none", "-o", image);
    assert.equal((await run("e2fsck", ["-fn", image])).code, 0);
    const back = await fastboop(["modules", "resolve", "r8169", "--rootfs", image]);
    assert.equal(lines(back.stdout).length, 4, back.talk);
  },
});

Deno.test("modules pack leaves nothing when a module is of another release", async () => {
  await using dir = await temporary();
  const release = await fixture(dir.path);
  const other = moduleElf({ vermagic: "6.1.0 SMP " });
  await Deno.writeFile(`${release}/kernel/net/phy/libphy.ko`, other);
  const out = `${dir.path}/out.cpio`;
  const args = ["modules", "pack", "r8169", "--rootfs", dir.path, "-o", out];
  assertFailed(await fastboop(args), 10, /"6\.1\.0"/);
  const left = [...Deno.readDirSync(dir.path)].map(({ name }) => name);
  assert.deepEqual(left, ["usr"]);
});

const debian = debianModules();

Deno.test({
  name: "modules resolve on Debian's 6.12 loads what modprobe loads for r8169 and erofs",
  ignore: debian === undefined || !hasTool("modprobe"),
  fn: async () => {
    const [, root, release] = /^(.*)\/lib\/modules\/(.*)$/.exec(debian!)!;
    for (const name of ["r8169", "erofs"]) {
      const ours = await fastboop(["modules", "resolve", name, "--modules-dir", debian!]);
      assert.equal(ours.code, 0, ours.talk);
      const args = ["-S", release!, "-d", root!, "-C", "/dev/null", "--show-depends", name];
      const theirs = (await run("modprobe", args)).stdout.matchAll(/^insmod (\S+)/gm);
      assert.deepEqual(lines(ours.stdout), [...new Set([...theirs].map((match) => match[1]!))]);
    }
    const why = ["modules", "why", "crc32c_generic", "--from", "erofs", "--modules-dir", debian!];
    assert.match(text((await fastboop(why)).stdout), /^erofs .*libcrc32c .*crc32c_generic/);
  },
});
