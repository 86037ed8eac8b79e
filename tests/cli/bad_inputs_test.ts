/**
 * Every input that can be bad, one test each, through the real program: the exit code of the README,
 * an error with its state and a hint, nothing on stdout, nothing left behind.
 */
import assert from "node:assert/strict";
import { setTime, writeFiles } from "../kernel/fixture_tree.ts";
import { type BootInputs, bootInputs, rootImage, writeTree } from "../support/boot_inputs.ts";
import { assertFailed, assertStopped, Fastboop, fastboop } from "../support/fastboop.ts";
import { FaultyHttp } from "../support/faulty_http.ts";
import { QuickPhone, type QuickPhoneOptions } from "../support/quick_phone.ts";
import { encodeRequest, OP_READ } from "../../lib/smoo/wire.ts";

/** Runs a build without a phone, which reads every input. */
async function build(inputs: BootInputs, rootfs: string, tree = inputs.tree) {
  return await fastboop([
    ...["boot", rootfs, `--kernel=${tree}`, "--device-profile", "virtual-x86_64"],
    ...["-o", `${inputs.dir}/boot.img`],
  ], { env: inputs.env });
}

Deno.test("boot with a URL that answers 404", async () => {
  await using inputs = await bootInputs();
  await using web = new FaultyHttp(inputs.root);
  web.onRequest = () => ({ status: 404, body: new Uint8Array() });
  assertFailed(await build(inputs, web.url()), 3, /image\.ero: the server answered 404\nhint: /);
});

Deno.test("boot with a URL whose server ignores ranges", async () => {
  await using inputs = await bootInputs();
  await using web = new FaultyHttp(inputs.root);
  web.onRequest = () => ({ ignoreRange: true });
  assertFailed(await build(inputs, web.url()), 5, /range[^]*\nhint: /i);
});

Deno.test("boot with files that are not there tells it before a phone is looked for", async () => {
  await using inputs = await bootInputs();
  const boot = ["boot", inputs.rootPath, `--kernel=${inputs.tree}`, "--wait", "1"];
  const gone = `${inputs.dir}/gone`;
  for (const option of ["--dtb", "--dtbo", "--firmware-dir"]) {
    const end = await fastboop([...boot, "--usb", "usbip://127.0.0.1:1", option, gone]);
    assertFailed(end, 3, /gone/);
    assert.doesNotMatch(end.talk, /==>/);
  }
});

Deno.test("boot with a URL where nobody listens", async () => {
  await using inputs = await bootInputs();
  const url = "http://127.0.0.1:1/rootfs.ero";
  // Six tries with growing delays: a server may be starting. A user who knows better presses Ctrl-C.
  await using run = await Fastboop.start(["boot", url, `--kernel=${inputs.tree}`]);
  await run.said(/Opening the root image/);
  assertStopped(await run.stop("SIGINT"), 130);
});

Deno.test("boot with an image that becomes another one while it is served", async () => {
  await using inputs = await bootInputs();
  await using web = new FaultyHttp(rootImage(8 << 20));
  await using phone = new QuickPhone();
  const words = ["boot", web.url(), `--kernel=${inputs.tree}`, "--usb", phone.address];
  await using run = await Fastboop.start(words, { env: inputs.env });
  await run.said(/2 of 2 disks online/);
  const before = await phone.gadget.read(1, 0, 4);
  assert.deepEqual(before.data, web.bytes.slice(0, 4 * 4096));
  web.bytes = rootImage(8 << 20, 0xbad);
  web.etag = '"two"';
  // No byte of the new image may reach the phone.
  assert.equal((await phone.gadget.read(1, 1900, 8)).status, 5);
  await run.said(/warning: rootfs at \d+: .*changed/);
  // What is known of the old one is still right.
  assert.deepEqual((await phone.gadget.read(1, 0, 4)).data, before.data);
  assertStopped(await run.stop("SIGINT"), 130);
});

const BAD_TREES: [name: string, spoil: (tree: string) => Promise<void>, says: RegExp][] = [
  ["is not built", async (tree) => {
    await writeFiles(tree, {
      "arch/x86/boot/bzImage": null,
      "vmlinux": null,
      "modules.order": null,
      "fs/erofs/erofs.ko": null,
    });
  }, /2 things are not ready[^]*kernel image[^]*modules[^]*hint: Build[^]*make .*bzImage/],
  ["is half built", async (tree) => {
    await writeFiles(tree, { "lib/libcrc32c.ko": null });
    await setTime(`${tree}/fs/erofs/erofs.o`, 100);
  }, /1 of 2 not built, lib\/libcrc32c\.ko[^]*hint: /],
  ["is not configured", async (tree) => {
    await writeFiles(tree, { ".config": null });
  }, /not configured[^]*hint: Run `make defconfig`/],
  ["is for another architecture", async (tree) => {
    await Deno.remove(tree, { recursive: true });
    await writeTree(tree, "aarch64");
  }, /configured for aarch64, the device is x86_64\nhint: .*ARCH=/],
  ["lacks what stage0 needs", async (tree) => {
    for (const [second, name] of [".config", "include/config/auto.conf"].entries()) {
      const text = await Deno.readTextFile(`${tree}/${name}`);
      await writeFiles(tree, { [name]: text.replace("CONFIG_BLK_DEV_UBLK=y\n", "") });
      await setTime(`${tree}/${name}`, second);
    }
  }, /BLK_DEV_UBLK[^]*hint: /],
];

for (const [name, spoil, says] of BAD_TREES) {
  Deno.test(`boot with a kernel tree that ${name}`, async () => {
    await using inputs = await bootInputs();
    await spoil(inputs.tree);
    assertFailed(await build(inputs, inputs.rootPath), 10, says);
  });
}

Deno.test("boot with a kernel tree with spaces in its path", async () => {
  await using inputs = await bootInputs({ folder: "my linux" });
  assertFailed(await build(inputs, inputs.rootPath), 10, /its path has a space[^]*hint: Move/);
});

Deno.test("boot in a folder that is no kernel tree", async () => {
  await using inputs = await bootInputs();
  const end = await build(inputs, inputs.rootPath, inputs.dir);
  assertFailed(end, 10, /neither it nor a folder above[^]*hint: /);
});

Deno.test("boot with a kernel that has no modules serves the root alone", async () => {
  await using inputs = await bootInputs();
  for (const [second, name] of [".config", "include/config/auto.conf"].entries()) {
    const text = await Deno.readTextFile(`${inputs.tree}/${name}`);
    const plain = text.replace("CONFIG_MODULES=y", "# CONFIG_MODULES is not set")
      .replaceAll("=m", "=y");
    await writeFiles(inputs.tree, { [name]: plain });
    await setTime(`${inputs.tree}/${name}`, second);
  }
  await using phone = new QuickPhone();
  const words = ["boot", inputs.rootPath, `--kernel=${inputs.tree}`, "--usb", phone.address];
  await using run = await Fastboop.start(words, { env: { PATH: "/nonexistent" } });
  await run.said(/1 of 1 disks online/);
  await phone.gadget.verify(1, 255, 1, inputs.root.subarray(255 * 4096));
  assertStopped(await run.stop("SIGINT"), 130);
});

Deno.test("boot with a make that fails shows its last lines and keeps what it made", async () => {
  await using inputs = await bootInputs({
    install: `cd "$TMPDIR"/fastboop-run-* && mkdir modules; echo 'No space left' >&2; exit 2`,
  });
  const words = ["boot", inputs.rootPath, `--kernel=${inputs.tree}`, "--modules=make", "-o", "-"];
  await using run = await Fastboop.start([...words, "--device-profile", "virtual-x86_64"], {
    env: inputs.env,
  });
  run.mayKeep();
  const end = await run.ended;
  assertFailed(end, 10, /make exited with 2\n {2}No space left\nhint: Run it yourself/);
  assert.match(end.talk, /kept in .*fastboop-run-/);
});

Deno.test("boot without a make says how to get one and keeps nothing", async () => {
  await using inputs = await bootInputs();
  // strip is looked for first.
  await Deno.writeTextFile(`${inputs.dir}/strip`, "", { mode: 0o755 });
  const words = ["boot", inputs.rootPath, `--kernel=${inputs.tree}`, "--modules=make", "-o", "-"];
  const end = await fastboop([...words, "--device-profile", "virtual-x86_64"], {
    env: { PATH: inputs.dir },
  });
  assertFailed(end, 10, /no make in PATH\nhint: Install make/);
});

for (
  const [name, content] of [
    ["random bytes", new Uint8Array(8192).fill(0xa5)],
    ["an empty file", new Uint8Array()],
    ["a text", new TextEncoder().encode("<html>".repeat(999))],
  ] as const
) {
  Deno.test(`boot with a root image that is ${name}`, async () => {
    await using inputs = await bootInputs();
    await Deno.writeFile(`${inputs.dir}/bad.img`, content);
    assertFailed(await build(inputs, `${inputs.dir}/bad.img`), 3, /root[^]*hint: /);
  });
}

Deno.test("boot with a root image that is not there", async () => {
  await using inputs = await bootInputs();
  assertFailed(await build(inputs, `${inputs.dir}/none.ero`), 3, /none\.ero/);
});

const BAD_BOOTLOADERS: [name: string, phone: QuickPhoneOptions, code: number, says: RegExp][] = [
  [
    "answers FAIL",
    {
      override: (c) => c === "boot" ? ["FAILlocked, unlock first"] : undefined,
    },
    8,
    /said FAIL: "locked, unlock first"\nhint: The bootloader is locked/,
  ],
  [
    "answers garbage",
    {
      override: (c) => c.startsWith("download") ? ["\x1b[2Jwhat"] : undefined,
    },
    8,
    /no fastboot reply: "\\x1b\[2Jwhat"\nhint: /,
  ],
  [
    "answers garbage to its first question",
    {
      override: () => ["?"],
    },
    8,
    /only 1 bytes: "\?"\nhint: /,
  ],
  [
    "wants another size than it was told",
    {
      override: (c) => c.startsWith("download") ? ["DATA00000001"] : undefined,
    },
    8,
    /DATA for 1 bytes/,
  ],
  [
    "takes less than the image has",
    {
      variables: { "max-download-size": "0x1000" },
    },
    11,
    /takes at most 4096\nhint: /,
  ],
];

for (const [name, phone, code, says] of BAD_BOOTLOADERS) {
  Deno.test(`boot at a bootloader that ${name}`, async () => {
    await using inputs = await bootInputs();
    await using bad = new QuickPhone(phone);
    const words = ["boot", inputs.rootPath, `--kernel=${inputs.tree}`, "--usb", bad.address];
    assertFailed(await fastboop(words, { env: inputs.env }), code, says);
    assert.ok(!bad.bootloader.booted);
  });
}

Deno.test("boot at a bootloader that is no profile's keeps waiting and says why", async () => {
  await using inputs = await bootInputs();
  await using phone = new QuickPhone({ product: "toaster" });
  const words = ["boot", inputs.rootPath, `--kernel=${inputs.tree}`, "--usb", phone.address];
  await using run = await Fastboop.start(words, { env: inputs.env });
  await run.said(/1-1: no profile fits it/);
  assertStopped(await run.stop("SIGINT"), 130);
});

Deno.test("a gadget that asks beyond the end, for another disk, or for 2^32 blocks", async () => {
  await using inputs = await bootInputs();
  await using phone = new QuickPhone();
  const words = ["boot", inputs.rootPath, `--kernel=${inputs.tree}`, "--usb", phone.address];
  await using run = await Fastboop.start(words, { env: inputs.env });
  await run.said(/2 of 2 disks online/);
  const { gadget } = phone;
  const ask = async (id: number, lba: number | bigint, blocks: number) =>
    (await gadget.read(id, lba, blocks)).status;
  assert.equal(await ask(1, 256, 1), 22);
  assert.equal(await ask(1, 255, 2), 22);
  assert.equal(await ask(1, 2n ** 64n - 1n, 1), 22);
  assert.equal(await ask(1, 0, 2 ** 32 - 1), 22);
  assert.notEqual(await ask(9, 0, 1), 0);
  assert.notEqual((await gadget.write(1, 0, new Uint8Array(4096), 1)).status, 0);
  await gadget.verify(1, 0, 16, inputs.root.subarray(0, 16 * 4096));
  assertStopped(await run.stop("SIGINT"), 130);
  assert.deepEqual(gadget.faults, []);
});

Deno.test("a gadget that breaks the framing loses the link, and is served again", async () => {
  await using inputs = await bootInputs();
  await using phone = new QuickPhone();
  const words = ["boot", inputs.rootPath, `--kernel=${inputs.tree}`, "--usb", phone.address];
  await using run = await Fastboop.start(words, { env: inputs.env });
  await run.said(/2 of 2 disks online/);
  const request = { op: OP_READ, exportId: 1, requestId: 0, lba: 0n, numBlocks: 1, flags: 0 };
  await phone.gadget.sendRaw(encodeRequest(request).slice(0, 27));
  await run.said(/The phone is gone[^]*The phone is back/);
  await phone.gadget.verify(1, 0, 16, inputs.root.subarray(0, 16 * 4096));
  assertStopped(await run.stop("SIGINT"), 130);
});
