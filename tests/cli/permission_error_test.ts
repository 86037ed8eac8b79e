/** Every verb with exactly the flags that README.md names, and with each of them taken away. */
import assert from "node:assert/strict";
import { permissionError } from "../../lib/cli/permission_error.ts";
import { FastboopError } from "../../lib/errors/errors.ts";
import { bootInputs } from "../support/boot_inputs.ts";
import { assertFailed, assertStopped, Fastboop, fastboop } from "../support/fastboop.ts";
import { FaultyHttp } from "../support/faulty_http.ts";
import { QuickPhone } from "../support/quick_phone.ts";

Deno.test("permissionError() names the flag, wherever Deno's refusal hides", () => {
  const refusal = new Deno.errors.NotCapable(
    'Requires env access to "HOME", run again with the --allow-env flag',
  );
  const plain = permissionError(refusal) as FastboopError;
  assert.deepEqual([plain.kind, plain.hint], ["permission", "Run again with --allow-env"]);
  assert.equal(plain.state, 'it requires env access to "HOME"');
  const wrapped = new FastboopError({
    kind: "permission",
    action: "Open a file",
    state: refusal.message,
    cause: new Error("outer", { cause: refusal }),
  });
  const told = permissionError(wrapped) as FastboopError;
  assert.equal(told.message, 'Open a file: Requires env access to "HOME"');
  assert.equal(told.hint, "Run again with --allow-env");
  const other = new TypeError("x");
  assert.equal(permissionError(other), other);
});

/** Runs with all flags, then without each. `fails` demands what happens then. */
async function eachFlagTaken(
  flags: readonly string[],
  run: (flags: readonly string[]) => Promise<void>,
  fails: (flags: readonly string[], missing: string) => Promise<void>,
): Promise<void> {
  await run(flags);
  for (const missing of flags) {
    await fails(flags.filter((flag) => flag !== missing), missing.split("=")[0]!);
  }
}

const names = (flag: string) => new RegExp(`hint: .*${flag}`);

Deno.test("boot runs with the flags README names, and tells each one that is missing", async () => {
  await using inputs = await bootInputs();
  await using web = new FaultyHttp(inputs.root);
  const start = async (permissions: readonly string[], phone: QuickPhone) => {
    const words = ["boot", web.url(), "--kernel", "--usb", phone.address];
    const flags = permissions.map((flag) =>
      flag.replace("PHONE", `127.0.0.1:${phone.server.port}`)
    );
    return await Fastboop.start(words, {
      env: inputs.env,
      cwd: inputs.tree,
      permissions: flags,
    });
  };
  const flags = [
    ...["--allow-read", "--allow-env"],
    `--allow-net=127.0.0.1:${web.port},PHONE`,
  ];
  await eachFlagTaken(flags, async (all) => {
    await using phone = new QuickPhone();
    await using run = await start(all, phone);
    await run.said(/2 of 2 disks online/);
    await phone.gadget.verify(1, 0, 16, inputs.root.subarray(0, 16 * 4096));
    assertStopped(await run.stop("SIGINT"), 130);
  }, async (rest, missing) => {
    await using phone = new QuickPhone();
    await using run = await start(rest, phone);
    assertFailed(await run.ended, 7, names(missing));
    assert.ok(!phone.bootloader.booted);
  });
});

Deno.test("boot tells the missing right to reach the phone", async () => {
  await using inputs = await bootInputs();
  await using phone = new QuickPhone();
  const end = await fastboop(["boot", inputs.rootPath, "--kernel", "--usb", phone.address], {
    ...{ env: inputs.env, cwd: inputs.tree },
    permissions: ["--allow-read", "--allow-env"],
  });
  assertFailed(end, 7, /hint: .*--allow-net=127\.0\.0\.1:\d+/);
});

Deno.test("the verbs without a phone run with the flags README names", async () => {
  await using inputs = await bootInputs();
  const out = `${inputs.dir}/out`;
  const profile = ["--device-profile", "virtual-x86_64"];
  const verbs: [words: string[], flags: string[]][] = [
    [["stage0", inputs.rootPath, `--kernel=${inputs.tree}`, ...profile, "-o", out], [
      ...["--allow-read", "--allow-env", `--allow-write=${inputs.dir}`],
    ]],
    [[
      "stage0",
      inputs.rootPath,
      `--kernel=${inputs.tree}`,
      ...profile,
      "--modules=make",
      "-o",
      out,
    ], [
      ...["--allow-read", "--allow-env", "--allow-run=make", "--allow-write"],
    ]],
    [["image", "ext4", inputs.tree, "-o", out], [
      ...["--allow-read", "--allow-env", `--allow-write=${inputs.dir}`],
    ]],
    [["image", "cpio", inputs.tree, "-o", out], [
      ...["--allow-read", "--allow-env", `--allow-write=${inputs.dir}`],
    ]],
  ];
  for (const [words, flags] of verbs) {
    const start = (permissions: readonly string[]) =>
      fastboop(words, { env: inputs.env, permissions });
    await eachFlagTaken(flags, async (all) => {
      const end = await start(all);
      assert.equal(end.code, 0, end.talk);
    }, async (rest, missing) => assertFailed(await start(rest), 7, names(missing)));
  }
});

Deno.test("detect runs with the flags README names", async () => {
  await using phone = new QuickPhone();
  const flags = ["--allow-read", "--allow-env", `--allow-net=127.0.0.1:${phone.server.port}`];
  const detect = (permissions: readonly string[], more = ["--usb", phone.address]) =>
    fastboop(["detect", ...more], { permissions });
  await eachFlagTaken(flags, async (all) => {
    assert.equal((await detect(all)).code, 0);
  }, async (rest, missing) => assertFailed(await detect(rest), 7, names(missing)));
  const local = await detect(["--allow-read", "--allow-env"], []);
  assertFailed(local, 7, /right to load native code\nhint: Run with --allow-ffi/);
});
