// stage0's C parsers, compiled for this machine with the sanitizers and asked one question per call.
import assert from "node:assert/strict";
import { hasCompiler, withProgram } from "./compile_c.ts";

const SOURCES = [
  "tests/driver.c",
  ...["settings", "smoo", "superblock", "text"].map((n) => `src/${n}.c`),
];

let driver = "";

async function ask(words: string[], input = new Uint8Array()): Promise<string> {
  const child = new Deno.Command(driver, {
    args: words,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  // A parser that needs no input may have ended before.
  await writer.write(input).then(() => writer.close()).catch(() => {});
  const { code, stdout, stderr } = await child.output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

const cases: [string, () => Promise<void>][] = [];

function test(name: string, run: () => Promise<void>): void {
  cases.push([name, run]);
}

/** CONFIG_EXPORTS with entries of [id, block size, size]. */
function configOf(
  entries: [number, number, number][],
  header: { version?: number; flags?: number } = {},
) {
  const bytes = new Uint8Array(8 + 24 * entries.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, header.version ?? 0, true);
  view.setUint16(2, entries.length, true);
  view.setUint32(4, header.flags ?? 0, true);
  entries.forEach(([id, blockSize, size], i) => {
    view.setUint32(8 + 24 * i, id, true);
    view.setUint32(12 + 24 * i, blockSize, true);
    view.setBigUint64(16 + 24 * i, BigInt(size), true);
  });
  return bytes;
}

const EINVAL = "-22";

test("settings_apply() takes the documented values and defaults", async () => {
  assert.equal(
    await ask(["settings"]),
    "error=0 rootfs=none modules=none kver= serial=0001 init= timeout=60 onfail=bootloader fstab=1 " +
      "id=dead:beef mimic=0 depth=16 max=262144",
  );
  const all =
    "stage0.rootfs ext4 stage0.modules ext4 stage0.kver 6.1 stage0.serial S1 stage0.init /i " +
    "stage0.timeout 9 stage0.onfail panic stage0.yeetfstab 0 smoo.vendor 0x18D1 smoo.product 20193 " +
    "smoo.mimic_fastboot 1 smoo.queue_depth 64 smoo.max_io_bytes 1048576";
  assert.equal(
    await ask(["settings", ...all.split(" ")]),
    "error=0 rootfs=ext4 modules=ext4 kver=6.1 serial=S1 init=/i timeout=9 onfail=panic fstab=0 " +
      "id=18d1:4ee1 mimic=1 depth=64 max=1048576",
  );
});

test("settings_apply() refuses values out of range and unknown keys", async () => {
  const refused: [string, string][] = [
    ["stage0.rootfs", "btrfs"],
    ["stage0.modules", "erofs"],
    ["stage0.kver", "x".repeat(65)],
    ["stage0.serial", ""],
    ["stage0.init", "relative"],
    ["stage0.timeout", "0"],
    ["stage0.timeout", "12s"],
    ["stage0.onfail", "hang"],
    ["stage0.yeetfstab", "yes"],
    ["smoo.vendor", "0x10000"],
    ["smoo.vendor", "0x"],
    ["smoo.product", "99999999999999999999"],
    ["smoo.queue_depth", "65"],
    ["smoo.queue_depth", "0"],
    ["smoo.max_io_bytes", "5000"],
    ["smoo.max_io_bytes", "0"],
  ];
  for (const [key, value] of refused) {
    assert.match(await ask(["settings", key, value]), /^error=-22 /, `${key}=${value}`);
  }
  assert.match(await ask(["settings", "stage0.nothing", "1"]), /^error=-2 /);
});

test("parse_module_line() splits name and parameters and stays below /modules", async () => {
  const cases: [string, string][] = [
    ["erofs.ko\n", "1 name=erofs.ko params= optional=0"],
    [
      "dummy_hcd.ko is_super_speed=1 num=2",
      "1 name=dummy_hcd.ko params=is_super_speed=1 num=2 optional=0",
    ],
    ["?crc32c_generic.ko", "1 name=crc32c_generic.ko params= optional=1"],
    ["? spaced.ko\ta=b ", "1 name=spaced.ko params=a=b optional=1"],
    ["", "0 name= params= optional=0"],
    ["# note", "0 name= params= optional=0"],
    ["../init.ko", "-22 name= params= optional=0"],
    ["noextension", "-22 name= params= optional=0"],
    [".ko", "-22 name= params= optional=0"],
    ["?", "-22 name= params= optional=1"],
    [`${"x".repeat(300)}.ko`, "-22 name= params= optional=0"],
  ];
  for (const [line, expected] of cases) assert.equal(await ask(["module", line]), expected, line);
});

test("cmdline_value() finds whole words and takes the last that fits", async () => {
  const cases: [string, string][] = [
    ["quiet init=/a ro", "1 /a"],
    ["rdinit=/x init=/a init=/b\n", "1 /b"],
    ["rdinit=/x", "0"],
    ["init", "0"],
    ["init=", "0"],
    ["init=/much/too/long/for/it", "0"],
  ];
  for (const [text, expected] of cases) {
    assert.equal(await ask(["cmdline", text, "init"]), expected, text);
  }
});

test("smoo_parse_exports() takes the protocol's example", async () => {
  const sets: [number, number, number][] = [[1, 4096, 2 ** 30], [2, 4096, 64 * 2 ** 20]];
  assert.equal(
    await ask(["exports", "4096"], configOf(sets)),
    "0 1/4096/1073741824 2/4096/67108864",
  );
  assert.equal(await ask(["exports", "4096"], configOf([])), "0");
});

test("smoo_parse_exports() refuses what cannot be a set of disks", async () => {
  const good: [number, number, number] = [1, 4096, 8192];
  const many = (n: number) =>
    Array.from({ length: n }, (_, i): [number, number, number] => [i + 1, 512, 512]);
  const refused: [string, Uint8Array, string][] = [
    ["version", configOf([good], { version: 1 }), EINVAL],
    ["flags", configOf([good], { flags: 1 }), EINVAL],
    ["truncated", configOf([good]).subarray(0, 31), EINVAL],
    ["trailing", new Uint8Array([...configOf([good]), 0]), EINVAL],
    ["empty", new Uint8Array(), EINVAL],
    ["id 0", configOf([[0, 4096, 8192]]), EINVAL],
    ["block 256", configOf([[1, 256, 8192]]), EINVAL],
    ["block 1000", configOf([[1, 1000, 8000]]), EINVAL],
    ["block above the page", configOf([[1, 8192, 8192]]), EINVAL],
    ["size 0", configOf([[1, 4096, 0]]), EINVAL],
    ["size not whole", configOf([[1, 4096, 4097]]), EINVAL],
    ["same id twice", configOf([good, [1, 512, 512]]), "-17"],
    ["nine disks", configOf(many(9)), "-7"],
  ];
  for (const [what, bytes, expected] of refused) {
    assert.equal(await ask(["exports", "4096"], new Uint8Array(bytes)), expected, what);
  }
  assert.equal(await ask(["exports", "16384"], configOf([[1, 16384, 16384]])), "0 1/16384/16384");
  assert.match(await ask(["exports", "4096"], configOf(many(8))), /^0 1\/512\/512 .*8\/512\/512$/);
});

test("smoo_parse_exports() survives random bytes", async () => {
  let state = 0x9e3779b9;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24;
  for (let i = 0; i < 60; i++) {
    const bytes = new Uint8Array(next() * 4).map(next);
    if (bytes.length > 8) bytes.set([0, 0, (bytes.length - 8) / 24, 0, 0, 0, 0, 0]);
    assert.match(await ask(["exports", "4096"], bytes), /^(-22|-7|-17|0( \d+\/\d+\/\d+)*)$/);
  }
});

test("smoo_compare_exports() lets a set grow at its end and nothing else", async () => {
  const cases: [string, string, string][] = [
    ["", "ab", "2"],
    ["ab", "ab", "0"],
    ["ab", "abc", "1"],
    ["ab", "a", "-16"],
    ["ab", "", "-16"],
    ["ab", "ba", "-16"],
    ["ab", "ac", "-16"],
  ];
  for (const [running, wanted, expected] of cases) {
    assert.equal(await ask(["compare", running, wanted]), expected, `${running} -> ${wanted}`);
  }
});

test("smoo messages match the protocol's vectors", async () => {
  assert.equal(
    await ask(["control"]),
    "534d4f4f00000100\n00000100020000000807060504030201",
  );
  const vector = "015f0000050001000200000010000000000000000800000000000000";
  const bytes = new Uint8Array(vector.match(/../g)!.map((pair) => parseInt(pair, 16)));
  assert.equal(
    await ask(["message"], bytes),
    `0 op=1 status=95 id=65541 export=2 lba=16 blocks=8 flags=0 ${vector}`,
  );
  bytes[0] = 4;
  assert.match(await ask(["message"], bytes), /^-22 op=4 /);
});

test("probe_format() and ext4_label() read the two super blocks", async () => {
  const blank = () => new Uint8Array(4096);
  const erofs = blank();
  erofs.set([0xe2, 0xe1, 0xf5, 0xe0], 1024);
  assert.match(await ask(["superblock"], erofs), /^erofs/);
  const ext4 = blank();
  ext4.set([0x53, 0xef], 1080);
  ext4.set(new TextEncoder().encode("fastboop-modules"), 1144);
  ext4.set([65], 1160); // behind the label, which is not NUL-terminated
  assert.equal(await ask(["superblock"], ext4), "ext4 fastboop-modules");
  ext4.set([10, 0], 1144);
  assert.equal(await ask(["superblock"], ext4), "ext4 ?");
  assert.match(await ask(["superblock"], blank()), /^none/);
});

test("text_format() cuts to its buffer and prints the extremes", async () => {
  assert.equal(
    await ask(["text"]),
    "abc|def|-5|-2147483648|7|18446744073709551615|00be|% longer  7",
  );
});

Deno.test({
  name: "the C parsers",
  ignore: !hasCompiler,
  fn: (steps) =>
    withProgram(SOURCES, async (program) => {
      driver = program;
      for (const [name, run] of cases) await steps.step(name, run);
    }),
});
