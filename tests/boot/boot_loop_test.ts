/** `boot --watch` from end to end: a phone behind USB/IP, a tree in miniature and a make for it. */
import assert from "node:assert/strict";
import { bootLoop } from "../../lib/boot/boot_loop.ts";
import { parseBootImage } from "../../lib/bootimg/parse.ts";
import { FastboopError } from "../../lib/errors/errors.ts";
import { loadProfiles } from "../../lib/cli/load_profiles.ts";
import { fdtBlob } from "../devicetree/fdt_blob.ts";
import { bzImage, moduleElf, setTime, writeFiles } from "../kernel/fixture_tree.ts";
import { type BootInputs, bootInputs } from "../support/boot_inputs.ts";
import { RestartingPhone } from "./restarting_phone.ts";

const profiles = await loadProfiles({ onWarning: () => {} });
const FAST = { pollMs: 20, stableMs: 60, deepEvery: 2 };
const PATIENCE_MS = 20_000;

/** A run of the loop and what it told. */
class Loop implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly ended: Promise<unknown>;
  readonly #stop = new AbortController();
  #told = Promise.withResolvers<void>();

  constructor(inputs: BootInputs, phone: RestartingPhone, known = profiles) {
    const tell = (text: string) => {
      this.lines.push(text);
      this.#told.resolve();
      this.#told = Promise.withResolvers<void>();
    };
    this.ended = bootLoop({
      request: { rootfs: inputs.rootPath, kernel: inputs.tree, requireModules: [] },
      phone: { usb: phone.address, waitMs: PATIENCE_MS },
      ...{ profiles: known, env: inputs.env, signal: this.#stop.signal, watch: FAST },
      progress: { phase: tell, note: tell, warn: tell, moving: () => {} },
    }).catch((error) => error);
    this.ended.then((error) => tell(`ended: ${error}`));
  }

  /** Waits for a line from `from` on. */
  async said(pattern: RegExp, from = 0): Promise<number> {
    const timer = setTimeout(() => this.#told.reject(new Error("it took too long")), PATIENCE_MS);
    try {
      for (;;) {
        const at = this.lines.findIndex((line, i) => i >= from && pattern.test(line));
        if (at >= 0) return at + 1;
        if (this.lines.at(-1)?.startsWith("ended: ")) throw new Error("it ended");
        await this.#told.promise;
      }
    } catch (error) {
      throw new Error(`${pattern}: ${error}\n${this.lines.join("\n")}`);
    } finally {
      clearTimeout(timer);
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    const error = await this.ended;
    assert.ok(error instanceof FastboopError && error.kind === "cancelled", String(error));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.ended;
  }
}

/** Counts make's installations, and where each put its modules. */
async function installs(inputs: BootInputs): Promise<string[]> {
  const text = await Deno.readTextFile(`${inputs.dir}/installs`).catch(() => "");
  return text.split("\n").filter((line) => line !== "");
}

const counting = 'for a in "$@"; do case "$a" in INSTALL_MOD_PATH=*) ' +
  'echo "${a#*=}" >> "$(dirname "$0")/../installs";; esac; done';

/** A kernel of the tree's release whose bytes tell builds apart. */
function kernel(mark: number): Uint8Array<ArrayBuffer> {
  const bytes = bzImage();
  bytes.fill(mark, 1500, 1600);
  return bytes;
}

async function rebuildKernel(inputs: BootInputs, mark: number): Promise<void> {
  const path = "arch/x86/boot/bzImage";
  await writeFiles(inputs.tree, { [path]: kernel(mark) });
  await setTime(`${inputs.tree}/${path}`, 100 + mark);
}

Deno.test("bootLoop() boots the rebuilt kernel when the phone is back, and repeats nothing", async () => {
  await using inputs = await bootInputs({ install: counting });
  await using phone = new RestartingPhone();
  await using loop = new Loop(inputs, phone);
  const first = await phone.life(1);
  await first.gadget.online;
  await first.gadget.verify(1, 8, 4, inputs.root.subarray(8 * 4096, 12 * 4096));
  const [firstDir] = await installs(inputs);
  assert.equal((await installs(inputs)).length, 1);

  await rebuildKernel(inputs, 7);
  let at = await loop.said(/^Build 2 is ready .*modules are unchanged/);
  await loop.said(/reboot bootloader/, at - 1);
  // The running phone goes on with what it has.
  await first.gadget.verify(1, 20, 4, inputs.root.subarray(20 * 4096, 24 * 4096));
  assert.deepEqual(first.gadget.faults, []);

  phone.restart();
  const second = await phone.life(2);
  await second.gadget.online;
  assert.deepEqual(parseBootImage(second.image).kernel, kernel(7));
  assert.notDeepEqual(parseBootImage(first.image).kernel, kernel(7));
  await second.gadget.verify(1, 0, 4, inputs.root.subarray(0, 4 * 4096));
  assert.equal((await installs(inputs)).length, 1, "the modules were not installed again");

  // A restart without a new build gets the same bytes.
  phone.restart();
  const third = await phone.life(3);
  await third.gadget.online;
  await third.gadget.read(1, 0, 1);
  assert.deepEqual(third.image, second.image);

  // Touched, but with the same content: nothing to do.
  at = loop.lines.length;
  await setTime(`${inputs.tree}/arch/x86/boot/bzImage`, 300);
  await loop.said(/nothing to do/, at);
  assert.equal((await installs(inputs)).length, 1);
  await loop.stop();
  await assert.rejects(Deno.stat(firstDir!), Deno.errors.NotFound);
});

Deno.test("bootLoop() sees a device tree built anew that the phone's profile named", async () => {
  await using inputs = await bootInputs({ arch: "aarch64" });
  const path = "arch/arm64/boot/dts/qcom/sdm845-one.dtb";
  const board = (name: string) =>
    fdtBlob([["{", ""], ["=", name, new Uint8Array()], ["}"], ["end"]]);
  await writeFiles(inputs.tree, { [path]: board("before") });
  const { match, probe } = profiles.find(({ id }) => id === "virtual-x86_64")!;
  const fajita = profiles.find(({ id }) => id === "oneplus-fajita")!;
  const profile = { ...fajita, match, probe, devicetreeName: "qcom/sdm845-one" };
  await using phone = new RestartingPhone();
  await using loop = new Loop(inputs, phone, [profile]);
  const first = await phone.life(1);
  await first.gadget.online;
  await first.gadget.read(1, 0, 1);
  assert.deepEqual(parseBootImage(first.image).dtb, board("before"));
  // Seen for the first time it is no change.
  await new Promise((resolve) => setTimeout(resolve, 10 * FAST.pollMs));
  assert.ok(!loop.lines.some((line) => line.includes("has changed")), loop.lines.join("\n"));

  await writeFiles(inputs.tree, { [path]: board("after") });
  await setTime(`${inputs.tree}/${path}`, 200);
  await loop.said(/^Build 2 is ready .*modules are unchanged/);
  phone.restart();
  const second = await phone.life(2);
  assert.deepEqual(parseBootImage(second.image).dtb, board("after"));
  await loop.stop();
});

Deno.test("bootLoop() keeps the old modules for the running phone until it leaves", async () => {
  await using inputs = await bootInputs({ install: counting });
  await using phone = new RestartingPhone();
  await using loop = new Loop(inputs, phone);
  const first = await phone.life(1);
  await first.gadget.online;
  const disk = first.gadget.exports.find(({ id }) => id === 2)!;
  const blocks = disk.sizeBytes / disk.blockSizeBytes;
  const before = (await first.gadget.read(2, 0, blocks)).data;
  const holds = (data: Uint8Array, text: string) =>
    new TextDecoder("latin1").decode(data).includes(text);
  assert.ok(!holds(before, "license=GPL\0alias=new"));

  const path = "fs/erofs/erofs.ko";
  const changed = moduleElf({ depends: "libcrc32c", aliases: ["new"] });
  await writeFiles(inputs.tree, { [path]: changed });
  await setTime(`${inputs.tree}/${path}`, 200);
  await loop.said(/^Build 2 is ready .*with modules/);
  const dirs = await installs(inputs);
  assert.equal(dirs.length, 2);
  assert.notEqual(dirs[0], dirs[1]);
  assert.ok((await Deno.stat(dirs[0]!)).isDirectory, "the phone still runs from it");
  assert.deepEqual((await first.gadget.read(2, 0, blocks)).data, before);

  phone.restart();
  const second = await phone.life(2);
  await second.gadget.online;
  const after = (await second.gadget.read(2, 0, blocks)).data;
  assert.ok(holds(after, "license=GPL\0alias=new"));
  await assert.rejects(Deno.stat(dirs[0]!), Deno.errors.NotFound);
  await loop.stop();
  await assert.rejects(Deno.stat(dirs[1]!), Deno.errors.NotFound);
  assert.deepEqual([...first.gadget.faults, ...second.gadget.faults], []);
});

Deno.test("bootLoop() does not take a half-finished build, and waits after one that never came up", async () => {
  await using inputs = await bootInputs();
  await using phone = new RestartingPhone();
  await using loop = new Loop(inputs, phone);
  await (await phone.life(1)).gadget.online;
  const at = loop.lines.length;
  await setTime(`${inputs.tree}/vmlinux`, 150);
  await loop.said(/cannot be booted yet: .*vmlinux is newer/, at);

  // Nothing was read of the root: booting the same again would only fail again.
  phone.restart();
  await loop.said(/build 1 did not come up/, at);
  await rebuildKernel(inputs, 60);
  const second = await phone.life(2);
  await second.gadget.online;
  assert.deepEqual(parseBootImage(second.image).kernel, kernel(60));
  await loop.stop();
});

Deno.test("bootLoop() keeps the build before when make fails to install the modules", async () => {
  await using inputs = await bootInputs({
    install: 'if [ -e "$(dirname "$0")/../fail" ]; then echo "no space" >&2; exit 2; fi',
  });
  await using phone = new RestartingPhone();
  await using loop = new Loop(inputs, phone);
  const first = await phone.life(1);
  await first.gadget.online;
  await first.gadget.read(1, 0, 1);
  const at = loop.lines.length;
  await Deno.writeTextFile(`${inputs.dir}/fail`, "");
  await writeFiles(inputs.tree, { "lib/libcrc32c.ko": moduleElf({ aliases: ["x"] }) });
  await setTime(`${inputs.tree}/lib/libcrc32c.ko`, 200);
  await loop.said(/the build before stays in use/, at);
  phone.restart();
  const second = await phone.life(2);
  assert.deepEqual(second.image, first.image);
  await loop.stop();
});
