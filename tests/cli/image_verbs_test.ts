/** The image verbs by the real program, on images that foreign tools made. */
import assert from "node:assert/strict";
import { openErofs } from "../../lib/filesystems/erofs/open_erofs.ts";
import { openFile } from "../../lib/sources/file.ts";
import { assertSameTree } from "../filesystems/compare_trees.ts";
import { hasTool, run, withTempDir } from "../filesystems/foreign_tools.ts";
import { assertFailed, assertStopped, Fastboop, fastboop } from "../support/fastboop.ts";
import { FaultyHttp } from "../support/faulty_http.ts";

const TOOLS = ["mkfs.erofs", "mke2fs", "sgdisk", "zip", "tar", "xz", "gzip"];
const ignore = !TOOLS.every(hasTool);
const isRoot = Deno.build.os === "linux" && Deno.uid() === 0;

async function must(program: string, args: string[], cwd: string): Promise<void> {
  const { code, stderr } = await run(program, args, { cwd });
  assert.equal(code, 0, stderr);
}

/** `tree/` and what the tools made of it. */
async function makeImages(dir: string): Promise<void> {
  const tree = `${dir}/tree`;
  await Deno.mkdir(`${tree}/usr/lib/modules/6.12.0-test`, { recursive: true });
  await Deno.mkdir(`${tree}/etc`);
  await Deno.writeTextFile(`${tree}/etc/os-release`, "NAME=Test\n");
  await Deno.symlink("/etc/os-release", `${tree}/usr/lib/os-release`);
  await Deno.symlink("usr/lib", `${tree}/lib`);
  await Deno.writeFile(`${tree}/etc/noise`, crypto.getRandomValues(new Uint8Array(65536)));
  await Deno.link(`${tree}/etc/noise`, `${tree}/etc/same`);
  await Deno.writeTextFile(`${tree}/evil\x1b[2Jname`, "");
  await Deno.chmod(`${tree}/etc/os-release`, 0o640);
  if (isRoot) {
    await must("mknod", ["tree/null", "c", "1", "3"], dir);
    await must("mkfifo", ["tree/fifo"], dir);
    await Deno.chown(`${tree}/etc/noise`, 1000, 1001);
  }
  // Whole seconds: what Deno sets is exact to a millisecond at best.
  await must("find", ["tree", "-exec", "touch", "-h", "-d", "@1600000001", "{}", "+"], dir);
  await must("mkfs.erofs", ["-zlz4hc", "root.ero", "tree"], dir);
  await must("xz", ["-k", "root.ero"], dir);
  await must("tar", ["cf", "root.tar", "root.ero.xz"], dir);
  await must("zip", ["-q", "root.zip", "root.ero"], dir);
  await must("mke2fs", ["-q", "-t", "ext4", "-d", "tree", "-L", "root", "root.ext4", "8M"], dir);
  await must("truncate", ["-s", "32M", "disk.img"], dir);
  const parts = ["-n", "1:2048:+8M", "-c", "1:first", "-n", "2:20480:+8M", "-c", "2:second"];
  await must("sgdisk", [...parts, "disk.img"], dir);
  for (const seek of ["2048", "20480"]) {
    const to = ["of=disk.img", "bs=512", `seek=${seek}`, "conv=notrunc", "status=none"];
    await must("dd", ["if=root.ext4", ...to], dir);
  }
  await must("gzip", ["-1k", "disk.img"], dir);
}

async function output(args: string[], cwd: string): Promise<string> {
  const { code, stdout, talk } = await fastboop(args, { cwd });
  assert.equal(code, 0, talk);
  return new TextDecoder().decode(stdout);
}

Deno.test({
  name: "image verbs read what foreign tools packed, however deep",
  ignore,
  fn: () =>
    withTempDir(async (dir) => {
      await makeImages(dir);

      const listed = await output(
        ["image", "ls", "root.tar", "lib", "--entry", "root.ero.xz"],
        dir,
      );
      assert.match(listed, /^drwxr-xr-x .* modules$/m);
      assert.match(listed, /^lrwxrwxrwx .* os-release -> \/etc\/os-release$/m);

      const all = JSON.parse(await output(["image", "ls", "root.ero", "-R", "--json"], dir));
      const paths = all.map(({ path }: { path: string }) => path);
      assert.ok(paths.includes("usr/lib/modules/6.12.0-test"), paths.join());
      assert.ok(paths.includes("evil\x1b[2Jname"));
      const plain = await output(["image", "ls", "root.ero"], dir);
      assert.match(plain, /evil\\x1b\[2Jname$/m);
      assert.match(plain, / 2020-09-13 12:26:41 etc$/m);

      const zip = ["root.zip", "--entry", "root.ero"];
      const text = await output(["image", "cat", ...zip, "lib/os-release"], dir);
      assert.equal(text, "NAME=Test\n");

      const disk = await output(["image", "ls", "disk.img.gz"], dir);
      assert.match(disk, /^ +1 +8 MiB +ext4 +.*"first"\n +2 +8 MiB +ext4 +.*"second"\n$/);
      const info = JSON.parse(
        await output(["image", "info", "disk.img.gz", "--partition", "second", "--json"], dir),
      );
      assert.deepEqual(info.steps, ["gzip", 'gpt partition 2 "second"']);
      assert.equal(info.format, "ext4");
      assert.equal(info.volume.label, "root");
      assert.deepEqual(info.kernels, ["6.12.0-test"]);
      assert.match(await output(["show", "root.ero.xz"], dir), /^inside +xz\nformat +erofs$/m);

      const nothing = await fastboop(["image", "cat", "root.ero", "etc/none"], { cwd: dir });
      assertFailed(nothing, 3, /there is no such file/);
      const other = ["image", "ls", "disk.img", "--partition", "third"];
      assertFailed(await fastboop(other, { cwd: dir }), 3, /1 "first", 2 "second"/);
    }),
});

Deno.test({
  name: "image extract copies a tree whole, once, and the comparison would notice a byte",
  ignore,
  fn: () =>
    withTempDir(async (dir) => {
      await makeImages(dir);
      await output(["image", "extract", "root.ero.xz", "-C", "out"], dir);
      // Owners and devices are root's to make.
      if (isRoot) {
        await using image = await openErofs(await openFile(`${dir}/root.ero`));
        const original = await assertSameTree(image, `${dir}/tree`);
        assert.ok(original.names >= 10, JSON.stringify(original));
        assert.deepEqual(await assertSameTree(image, `${dir}/out`), original);
        const noise = `${dir}/out/etc/noise`;
        assert.equal(Deno.statSync(noise).ino, Deno.statSync(`${dir}/out/etc/same`).ino);
        const bytes = await Deno.readFile(noise);
        bytes[40_000]! ^= 1;
        await Deno.writeFile(noise, bytes);
        await Deno.utime(noise, 1_600_000_001, 1_600_000_001);
        await assert.rejects(assertSameTree(image, `${dir}/out`), /noise differs/);
      } else {
        const { code } = await run("diff", ["-r", "--no-dereference", "tree", "out"], { cwd: dir });
        assert.equal(code, 0);
      }
      const again = await fastboop(["image", "extract", "root.ero", "-C", "out"], { cwd: dir });
      assertFailed(again, 2, /the directory is not empty/);
    }),
});

// The second request looks at what the file is, the fourth is for a file or directory inside.
for (const [silentFrom, verb] of [[2, "ls"], [4, "ls"], [4, "extract"]] as const) {
  Deno.test({
    name: `image ${verb} stops at once while a server is silent from request ${silentFrom} on`,
    ignore: !hasTool("mkfs.erofs"),
    fn: () =>
      withTempDir(async (dir) => {
        for (let i = 0; i < 40; i++) {
          await Deno.mkdir(`${dir}/tree/${i}`, { recursive: true });
          const noise = crypto.getRandomValues(new Uint8Array(60_000));
          for (let k = 0; k < 5; k++) await Deno.writeFile(`${dir}/tree/${i}/${k}`, noise);
        }
        await must("mkfs.erofs", ["root.ero", "tree"], dir);
        await using web = new FaultyHttp(await Deno.readFile(`${dir}/root.ero`));
        const asked = Promise.withResolvers<void>();
        web.onRequest = () => {
          if (web.requests.length < silentFrom) return undefined;
          asked.resolve();
          return { silent: true };
        };
        const more = verb === "ls" ? ["-R"] : ["-C", `${dir}/out`];
        await using run = await Fastboop.start(["image", verb, web.url(), ...more]);
        await asked.promise;
        assertStopped(await run.stop("SIGINT"), 130);
      }),
  });
}
