/** The command line itself: words, help, exit codes, and which stream says what. */
import assert from "node:assert/strict";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { VERSION } from "../../lib/cli/version.ts";
import { hasProgram } from "../kernel/real_trees.ts";
import { bootInputs } from "../support/boot_inputs.ts";
import { assertFailed, fastboop } from "../support/fastboop.ts";
import { QuickPhone } from "../support/quick_phone.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

for (const { name, examples, options } of COMMANDS) {
  Deno.test(`fastboop ${name} --help shows every option and an example`, async () => {
    const { code, stdout, talk } = await fastboop([...name.split(" "), "--help"]);
    assert.equal(code, 0);
    assert.equal(talk, "");
    for (const { flags } of options) assert.ok(text(stdout).includes(flags), flags);
    assert.ok(examples.length > 0);
    for (const example of examples) {
      assert.ok(text(stdout).includes(example), example);
      assert.doesNotMatch(example, /=~/, "a shell leaves the ~ of --option=~ as it is");
    }
  });
}

Deno.test("--help and --version need no permission and go to stdout", async () => {
  const help = await fastboop(["--help"], { permissions: [] });
  assert.equal(help.code, 0, help.talk);
  for (const { name } of COMMANDS) assert.ok(text(help.stdout).includes(name.split(" ")[0]!));
  assert.match(text(help.stdout), /fastboop boot https:/);
  assert.equal(help.talk, "");
  const version = await fastboop(["--version"], { permissions: [] });
  assert.equal(text(version.stdout), `${VERSION}\n`);
});

const USAGE: [words: string[], says: RegExp][] = [
  [["--nope"], /unknown option '--nope'\nhint: /],
  [["frob"], /unknown command 'frob'\nhint: /],
  [["boot"], /missing required argument 'rootfs'\nhint: /],
  [["boot", "x", "--kernl"], /Did you mean --kernel/],
  [["boot", "x", "--kernel", "--wait", "soon"], /"soon" is not a whole number/],
  [["boot", "x", "--kernel", "--usb", "there"], /"there" is not an address\nhint: Write usbip/],
  [
    ["boot", "x", "--watch"],
    /without --kernel there is no tree to watch\nhint: Pass --kernel.*leave --watch out/,
  ],
  [["stage0", "x", "--kernel"], /nothing says which phone it is\nhint: Pass --device-profile/],
  [["detect", "extra"], /too many arguments/],
  [["image", "ext4", ".", "--owner", "me"], /"me" is neither root nor source/],
];

for (const [words, says] of USAGE) {
  Deno.test(`fastboop ${words.join(" ")} is a usage error`, async () => {
    assertFailed(await fastboop(words), 2, says);
  });
}

Deno.test("fastboop alone shows its help on stderr", async () => {
  const { code, stdout, talk } = await fastboop([]);
  assert.deepEqual([code, stdout.length], [2, 0]);
  assert.match(talk, /^Usage: /);
});

Deno.test("--kernel does not swallow the word after it", async () => {
  await using inputs = await bootInputs();
  const words = ["--kernel", inputs.rootPath, "--device-profile", "virtual-x86_64", "-o", "-"];
  const { code, stdout } = await fastboop(["boot", ...words], {
    cwd: `${inputs.tree}/fs/erofs`,
    env: inputs.env,
  });
  assert.equal(code, 0);
  assert.equal(text(stdout.subarray(0, 8)), "ANDROID!");
});

Deno.test("--kernel DIR says that the directory belongs to the option", async () => {
  const end = await fastboop(["boot", "rootfs.ero", "--kernel", "/src/linux"]);
  assertFailed(end, 2, /too many arguments[^]*--kernel=DIR/);
});

Deno.test("a device profile that neither fastboop nor the input has is a usage error", async () => {
  await using inputs = await bootInputs();
  const end = await fastboop(["boot", inputs.rootPath, "--device-profile", "nope"]);
  assertFailed(end, 2, /none named "nope"\nhint: The profiles/);
});

Deno.test("make sees nothing of the environment but PATH, HOME and TMPDIR", async () => {
  await using inputs = await bootInputs({ install: 'env > "${0%/*}/../environment"' });
  const { code, talk } = await fastboop([
    ...["stage0", inputs.rootPath, `--kernel=${inputs.tree}`],
    ...["--modules=make", "--device-profile", "virtual-x86_64"],
  ], { env: { ...inputs.env, MAKEFLAGS: "-n", LD_PRELOAD: "", ARCH: "arm64", SECRET: "1" } });
  assert.equal(code, 0, talk);
  const names = (await Deno.readTextFile(`${inputs.dir}/environment`)).trim().split("\n")
    .map((line) => line.split("=")[0]!).filter((name) => !["PWD", "_", "SHLVL"].includes(name));
  assert.deepEqual(names.sort(), ["HOME", "LC_ALL", "PATH", "TMPDIR"]);
});

const TO_FILE: [verb: string, words: (dir: string, tree: string) => string[]][] = [
  ["stage0", (dir, tree) => [
    ...["stage0", `${dir}/rootfs.ero`, `--kernel=${tree}`],
    ...["--device-profile", "virtual-x86_64"],
  ]],
  ["image ext4", (_dir, tree) => ["image", "ext4", tree, "--owner", "root"]],
  ["image cpio", (_dir, tree) => ["image", "cpio", tree]],
];

for (const [verb, words] of TO_FILE) {
  Deno.test(`${verb} writes the same bytes to a file and to stdout`, async () => {
    await using inputs = await bootInputs();
    const file = `${inputs.dir}/out`;
    // ext4 images have a time and an identity of their own unless this is set.
    const env = { ...inputs.env, SOURCE_DATE_EPOCH: "1700000000" };
    const args = words(inputs.dir, inputs.tree);
    const toFile = await fastboop([...args, "-o", file], { env });
    assert.equal(toFile.code, 0, toFile.talk);
    assert.equal(toFile.stdout.length, 0);
    const toStdout = await fastboop([...args, "-o", "-"], { env });
    assert.equal(toStdout.code, 0, toStdout.talk);
    assert.ok(toStdout.stdout.length > 1000);
    assert.deepEqual(toStdout.stdout, await Deno.readFile(file));
  });
}

Deno.test({
  name: "binary data onto a terminal is refused",
  ignore: !hasProgram("script"),
  fn: async () => {
    const main = new URL("../../main.ts", import.meta.url).pathname;
    for (const words of ["image cpio .", "boot x --kernel -o -"]) {
      const { code, stdout } = await new Deno.Command("script", {
        args: ["-qec", `${Deno.execPath()} run -A ${main} ${words}`, "/dev/null"],
        stdin: "null",
      }).output();
      assert.equal(code, 2);
      assert.match(text(stdout), /standard output: it is a terminal/);
    }
  },
});

Deno.test("detect prints one line per phone and nothing else on stdout", async () => {
  await using phone = new QuickPhone();
  const found = await fastboop(["detect", "--usb", phone.address]);
  assert.equal(found.code, 0, found.talk);
  assert.equal(
    text(found.stdout),
    `18d1:4ee0 path=${phone.address}/1-1 serial=QUICK-1 profile=virtual-x86_64\n`,
  );
  await using stranger = new QuickPhone({ product: "toaster" });
  const other = await fastboop(["detect", "--usb", stranger.address]);
  assert.match(text(other.stdout), / profile=none\n$/);
  phone.unplug();
  const none = await fastboop(["detect", "--usb", phone.address]);
  assertFailed(none, 6, /the server exports no device\nhint: /);
});
