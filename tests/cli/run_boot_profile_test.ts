/** `boot -o` and `boot` with boot profiles, from the user's side: what is in the image that would be sent. */
import assert from "node:assert/strict";
import { type BootImage, parseBootImage } from "../../lib/bootimg/parse.ts";
import { macAddress } from "../../lib/devicetree/inject_mac.ts";
import { parseFdt } from "../../lib/devicetree/parse_fdt.ts";
import { readInitramfs } from "../../lib/filesystems/cpio/read_initramfs.ts";
import type { Fdt } from "../../lib/devicetree/fdt.ts";
import { compileDts } from "../devicetree/fdt_blob.ts";
import { hasTool } from "../filesystems/foreign_tools.ts";
import { assertFailed, assertStopped, Fastboop, fastboop } from "../support/fastboop.ts";
import { QuickPhone } from "../support/quick_phone.ts";
import { DISK_TOOLS, fatImage, mbrDisk } from "../support/root_disks.ts";
import { rootFiles, rootInputs } from "../support/root_inputs.ts";
import { RELEASE } from "../kernel/fixture_tree.ts";

const ignore = ![...DISK_TOOLS, "dtc"].every(hasTool);
const DEVICE = ["--device-profile", "virtual-aarch64"];
/** Of a gadget whose phone is not there. */
const SERIAL = "0001";
const BOARD = `/dts-v1/;
/ {
  compatible = "linux,dummy-virt";
  wifi: wifi@1000 { compatible = "acme,wifi"; };
  bt { compatible = "acme,bt-2", "acme,bt"; };
};`;
const overlay = (value: string) =>
  compileDts(`/dts-v1/; /plugin/; &wifi { order = "${value}"; ${value}; };`, ["-@"]);

/** A disk whose second partition is an aarch64 root without kernel, and whose first brings that. */
async function inputs() {
  const { [`boot/vmlinuz-${RELEASE}`]: kernel, [`boot/config-${RELEASE}`]: config, ...files } =
    rootFiles("aarch64");
  const made = await rootInputs(files);
  const board = await compileDts(BOARD, ["-@"]);
  const fat = await fatImage(made.dir, {
    "vmlinuz": kernel as Uint8Array,
    [`config-${RELEASE}`]: new TextEncoder().encode(config as string),
    "dtbs/qemu/virt.dtb": board,
  });
  await mbrDisk(`${made.dir}/disk.img`, [{ bytes: fat, type: "c" }, { bytes: made.root }]);
  return { ...made, kernel, board };
}

const part = (index: number) => `{mbr: {index: ${index}, file: disk.img}}`;
const WHERE = `rootfs: {ext4: ${part(1)}}
kernel: {path: /vmlinuz, fat: ${part(0)}}
dtbs: {path: /dtbs, fat: ${part(0)}}
`;

async function imageOf(dir: string, ...words: string[]): Promise<BootImage> {
  const env = { PATH: "/usr/bin:/bin" };
  const end = await fastboop(["boot", ...words, ...DEVICE, "-o", "boot.img"], { env, cwd: dir });
  assert.equal(end.code, 0, end.talk);
  return parseBootImage(await Deno.readFile(`${dir}/boot.img`));
}

function node(fdt: Fdt, path: string): ReadonlyMap<string, string> {
  const found = fdt.nodes.find((one) => one.path === path);
  return new Map([...found!.properties].map(([name, value]) => [name, value.toHex()]));
}

/** Names of the modules in an image, without the suffix. */
function modulesOf({ ramdisk }: BootImage): string[] {
  return readInitramfs(ramdisk).members
    .flatMap(({ path }) => /([^/]+)\.ko$/.exec(path)?.[1] ?? []);
}

Deno.test({
  name: "boot takes kernel, device tree, overlays, addresses, words and modules from a profile",
  ignore,
  fn: async () => {
    await using made = await inputs();
    const { dir } = made;
    await Deno.writeFile(`${dir}/all.dtbo`, await overlay("all"));
    await Deno.writeFile(`${dir}/own.dtbo`, await overlay("own"));
    await Deno.writeFile(`${dir}/mine.dtbo`, await overlay("mine"));
    const manifest = `id: edge\n${WHERE}
dt_overlays: [{path: all.dtbo}]
extra_cmdline: a=1
stage0:
  extra_modules: [crc]
  devices:
    virtual-aarch64:
      dt_overlays: [{path: own.dtbo}]
      extra_cmdline: b=2
      stage0: {kernel_modules: [erofs], inject_mac: {wifi: "acme,wifi", bluetooth: "acme,bt"}}
`;
    await Deno.writeTextFile(`${dir}/edge.yaml`, manifest);
    const env = { PATH: "/usr/bin:/bin" };
    const create = ["bootprofile", "create", "--optimize", "edge.yaml", "-o", "edge.fbp"];
    const created = await fastboop(create, { env, cwd: dir });
    assert.equal(created.code, 0, created.talk);

    for (const file of ["edge.fbp", "edge.yaml"]) {
      const image = await imageOf(dir, file, "--append", "c=3");
      assert.match(image.cmdline, /(^| )a=1 b=2 c=3$/);
      assert.deepEqual(modulesOf(image), ["crc", "erofs"]);
      const fdt = parseFdt(image.dtb, "of the image");
      const wifi = node(fdt, "/wifi@1000");
      assert.ok(wifi.has("all") && wifi.has("own"));
      assert.equal(wifi.get("order"), new TextEncoder().encode("own\0").toHex());
      const wanted = macAddress("wifi", "acme,wifi", SERIAL).toHex();
      assert.equal(wifi.get("local-mac-address"), wanted);
      const bluetooth = macAddress("bluetooth", "acme,bt", SERIAL).reverse().toHex();
      assert.equal(node(fdt, "/bt").get("local-bd-address"), bluetooth);
    }
    const image = await imageOf(dir, "edge.fbp", "--dtbo", "mine.dtbo");
    const wifi = node(parseFdt(image.dtb, "of the image"), "/wifi@1000");
    assert.equal(wifi.get("order"), new TextEncoder().encode("mine\0").toHex());
    assert.ok(wifi.has("all"));
    const stage0 = await fastboop(["stage0", "edge.fbp", ...DEVICE], { env, cwd: dir });
    assert.equal(stage0.code, 0, stage0.talk);
    assert.match(stage0.talk, /kernel command line: .*a=1 b=2$/m);
    assert.ok(readInitramfs(stage0.stdout).members.some(({ path }) => path.endsWith("/erofs.ko")));
  },
});

Deno.test({
  name: "boot says what is wrong with a profile and what it leads to, and writes nothing",
  ignore,
  fn: async () => {
    await using made = await inputs();
    const { dir } = made;
    const devices = (words: string) => `stage0: {devices: {virtual-aarch64: {${words}}}}`;
    const wrong: [string, number, RegExp][] = [
      [`${WHERE}stage0: {devices: {oneplus-fajita: {}}}`, 2, /none is for device virtual-aarch64/],
      [WHERE.replace("/vmlinuz", "/absent"), 3, /"absent"[^]*no such file/],
      [WHERE.replace("/dtbs", "/absent"), 3, /no qemu\/virt\.dtb in "absent"/],
      [WHERE.replace("fat:", "erofs:"), 4, /is fat, the profile says erofs/],
      [
        `${WHERE}${devices('stage0: {inject_mac: {wifi: "acme,none"}}')}`,
        3,
        /no node[^]*"acme,none"/,
      ],
      [`${WHERE}${devices("stage0: {kernel_modules: [absent]}")}`, 10, /absent/],
      [`rootfs: {fat: ${part(0)}}`, 3, /is fat/],
      [`rootfs: {ostree: {ext4: ${part(1)}}}`, 3, /OSTree/],
    ];
    for (const [text, code, says] of wrong) {
      await Deno.writeTextFile(`${dir}/edge.yaml`, `id: edge\n${text}\n`);
      const words = ["boot", "edge.yaml", ...DEVICE, "-o", "wrong.img"];
      const end = await fastboop(words, { env: { PATH: "/usr/bin:/bin" }, cwd: dir });
      assertFailed(end, code, says);
    }
    await assert.rejects(Deno.stat(`${dir}/wrong.img`), Deno.errors.NotFound);
  },
});

Deno.test({
  name: "boot serves the partition of a profile, and sends nothing to a phone it is not for",
  ignore,
  fn: async () => {
    await using made = await rootInputs();
    await mbrDisk(`${made.dir}/disk.img`, [{ bytes: new Uint8Array(4096) }, { bytes: made.root }]);
    const write = (id: string) =>
      Deno.writeTextFile(
        `${made.dir}/edge.yaml`,
        `id: edge\nrootfs: {ext4: ${part(1)}}\nstage0: {devices: {${id}: {}}}\n`,
      );
    const options = { env: { PATH: "/usr/bin:/bin" }, cwd: made.dir };
    {
      await using phone = new QuickPhone();
      await write("oneplus-fajita");
      const end = await fastboop(["boot", "edge.yaml", "--usb", phone.address], options);
      assertFailed(end, 2, /"edge" is not for device virtual-x86_64[^]*for oneplus-fajita/);
      const verbs = phone.bootloader.commands.map((command) => command.split(":")[0]);
      assert.deepEqual([...new Set(verbs)], ["getvar"]);
    }
    await using phone = new QuickPhone();
    await write("virtual-x86_64");
    await using run = await Fastboop.start(["boot", "edge.yaml", "--usb", phone.address], options);
    await run.said(/1 of 1 disks online/);
    await phone.gadget.verify(1, 3, 2, made.root.subarray(3 * 4096, 5 * 4096));
    assertStopped(await run.stop("SIGINT"), 130);
    assert.deepEqual(phone.gadget.faults, []);
  },
});
