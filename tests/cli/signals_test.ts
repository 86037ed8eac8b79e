/** Ctrl-C and SIGTERM in every phase: the exit code, soon, calmly, and nothing left behind. */
import assert from "node:assert/strict";
import { type BootInputs, bootInputs, rootImage } from "../support/boot_inputs.ts";
import { assertStopped, Fastboop } from "../support/fastboop.ts";
import { FaultyHttp } from "../support/faulty_http.ts";
import { QuickPhone, type QuickPhoneOptions } from "../support/quick_phone.ts";

const SIGNALS = [["SIGINT", 130], ["SIGTERM", 143]] as const;

async function stopIt(run: Fastboop, name: Deno.Signal, code: 130 | 143): Promise<void> {
  assertStopped(await run.stop(name), code);
}

/** Starts a boot of the local image on `phone`. */
function start(
  inputs: BootInputs,
  address: string,
  rootfs = inputs.rootPath,
  more: string[] = [],
): Promise<Fastboop> {
  const words = ["boot", rootfs, `--kernel=${inputs.tree}`, "--usb", address, ...more];
  return Fastboop.start(words, { env: inputs.env });
}

/** The same with make, on a phone that is not there. */
const startMake = (inputs: BootInputs) =>
  start(inputs, "usbip://127.0.0.1:1", inputs.rootPath, ["--modules=make"]);

for (const [name, code] of SIGNALS) {
  Deno.test(`${name} while a server does not answer`, async () => {
    await using inputs = await bootInputs();
    await using web = new FaultyHttp(inputs.root);
    const asked = Promise.withResolvers<void>();
    web.onRequest = () => (asked.resolve(), { silent: true });
    await using run = await start(inputs, "usbip://127.0.0.1:1", web.url());
    await asked.promise;
    await stopIt(run, name, code);
  });

  Deno.test(`${name} while make runs ends make and its children`, async () => {
    await using inputs = await bootInputs({
      install: 'echo $$ > "$TMPDIR/started"; sleep 60 & sleep 60',
    });
    await using run = await startMake(inputs);
    await run.said(/make modules_install/);
    await fileAppears(`${run.tmp}/started`);
    await stopIt(run, name, code);
    await Deno.remove(`${run.tmp}/started`);
  });

  Deno.test(`${name} while it waits for a phone`, async () => {
    await using inputs = await bootInputs();
    await using phone = new QuickPhone();
    phone.unplug();
    await using run = await start(inputs, phone.address);
    await run.said(/Waiting for a phone/);
    await stopIt(run, name, code);
  });

  const silent: [phase: string, traits: QuickPhoneOptions, after: RegExp][] = [
    ["a bootloader is silent to getvar", { override: () => [] }, /Waiting for a phone/],
    ["the image is sent", {
      override: (c) => c.startsWith("download") ? [] : undefined,
    }, /Sending the boot image/],
    ["a bootloader is silent to boot", {
      override: (c) => c === "boot" ? [] : undefined,
    }, /Booting/],
    ["it waits for the gadget", { becomes: "nothing" }, /handing over/],
    ["the disks do not come up", { becomes: { staysOffline: true } }, /0 of 2 disks online/],
    ["it serves", {}, /2 of 2 disks online/],
  ];
  for (const [phase, traits, after] of silent) {
    Deno.test(`${name} while ${phase}`, async () => {
      await using inputs = await bootInputs();
      const asked = Promise.withResolvers<void>();
      const override = (command: string) => {
        const replies = traits.override?.(command);
        if (replies !== undefined || traits.override === undefined) asked.resolve();
        return replies;
      };
      await using phone = new QuickPhone({ ...traits, override });
      await using run = await start(inputs, phone.address);
      await run.said(after);
      await asked.promise;
      await stopIt(run, name, code);
    });
  }

  Deno.test(`${name} while a read of the phone waits for the server`, async () => {
    await using inputs = await bootInputs();
    await using web = new FaultyHttp(rootImage(8 << 20));
    await using phone = new QuickPhone();
    await using run = await start(inputs, phone.address, web.url());
    await run.said(/2 of 2 disks online/);
    const asked = Promise.withResolvers<void>();
    web.onRequest = () => (asked.resolve(), { stallAfterBytes: 100 });
    phone.gadget.read(1, 1900, 8).catch(() => {});
    await asked.promise;
    await stopIt(run, name, code);
  });

  Deno.test(`${name} while an archive is written leaves no part of it`, async () => {
    await using inputs = await bootInputs();
    await Deno.mkdir(`${inputs.dir}/in`);
    using big = await Deno.create(`${inputs.dir}/in/big`);
    await big.truncate(3 * 2 ** 30); // a hole, which an archive has to spell out
    const out = `${inputs.dir}/out.cpio`;
    await using run = await Fastboop.start(["image", "cpio", `${inputs.dir}/in`, "-o", out]);
    const partial = () => [...Deno.readDirSync(inputs.dir)].some((e) => e.name.endsWith("partial"));
    while (!partial()) await new Promise((resolve) => setTimeout(resolve, 5));
    await stopIt(run, name, code);
    assert.ok(!partial());
    await assert.rejects(Deno.stat(out));
  });
}

for (const [name, code] of SIGNALS) {
  Deno.test(`${name} while standard input says no more`, async () => {
    const main = new URL("../../main.ts", import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", main, "bootprofile", "create", "-", "-o", "/nowhere/x"],
      stdin: "piped",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    // More than a pipe holds: once it is written, somebody reads.
    await writer.write(new Uint8Array(256 << 10).fill(0x23));
    child.kill(name);
    const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
    const [end, talk] = await Promise.all([child.status, new Response(child.stderr).text()]);
    clearTimeout(timer);
    await writer.abort().catch(() => {});
    assert.deepEqual([end.code, talk], [code, `stopped by ${name}\n`]);
  });
}

Deno.test("a second SIGINT does not wait for a make that ignores the first", async () => {
  const install = `trap '' TERM; echo > "$TMPDIR/started"; sleep 5`;
  await using inputs = await bootInputs({ install });
  await using run = await startMake(inputs);
  await fileAppears(`${run.tmp}/started`);
  run.signal("SIGINT");
  await new Promise((resolve) => setTimeout(resolve, 200));
  run.mayKeep(); // nothing can be cleaned up after that; make's sleep ends by itself
  const { code } = await run.stop("SIGINT", 1000);
  assert.equal(code, 130);
});

async function fileAppears(path: string): Promise<void> {
  const endMs = performance.now() + 15_000;
  while (!await Deno.stat(path).catch(() => undefined)) {
    if (performance.now() > endMs) throw new Error(`${path} does not appear`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
