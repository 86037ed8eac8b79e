/** Boot profiles as ROOTFS: compiled, as a manifest, in channels, before an image. */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { openInput } from "../../lib/boot/open_input.ts";
import { concat } from "../../lib/bytes/concat.ts";
import { runBootprofileCreate } from "../../lib/cli/run_bootprofile.ts";
import { encodeBootProfile } from "../../lib/profiles/boot/encode_boot_profile.ts";
import { parseBootProfile } from "../../lib/profiles/boot/parse_boot_profile.ts";
import { hasTool } from "../filesystems/foreign_tools.ts";
import { ofKind } from "../support/expect_kind.ts";
import { FaultyHttp } from "../support/faulty_http.ts";
import { readAll } from "../support/read_all.ts";
import { DISK_TOOLS, fatImage, mbrDisk } from "../support/root_disks.ts";
import { rootImage } from "../support/boot_inputs.ts";
import { type RootInputs, rootInputs } from "../support/root_inputs.ts";
import { RecordedProgress } from "./recorded_progress.ts";

const signal = new AbortController().signal;
/** As upstream compiles one: see parse_channel_test.ts. */
const DEVICE = Uint8Array.fromHex(
  "46424f4f444556500000076465762d6f6e65000671636f6d2f7801d1318da003010108" +
    "73657269616c6e6f0453364d5102802000018080020000020000",
);

type Words = Omit<Parameters<typeof openInput>[0], "rootfs">;

function open(rootfs: string, words: Words = {}, progress = new RecordedProgress()) {
  return openInput({ rootfs, ...words }, { env: { TMPDIR: "/tmp" }, progress, signal });
}

const compiled = async (manifest: string) =>
  encodeBootProfile(await parseBootProfile(manifest, "the test's manifest"));

/** Writes what `boot` is given into the inputs' directory. */
async function write(
  { dir }: RootInputs,
  name: string,
  ...parts: Uint8Array[]
): Promise<string> {
  await Deno.writeFile(`${dir}/${name}`, concat(parts));
  return `${dir}/${name}`;
}

const manifestOf = (id: string, path: string, more = "") =>
  `id: ${id}\nrootfs: {ext4: {file: ${path}}}\n${more}`;

Deno.test("openInput() takes a compiled profile, and its manifest by its name", async () => {
  await using inputs = await rootInputs();
  const text = `display_name: A phone\n${manifestOf("one", inputs.rootPath)}`;
  const paths = [
    await write(inputs, "p.fbp", await compiled(text)),
    await write(inputs, "p.yaml", new TextEncoder().encode(text)),
  ];
  for (const path of paths) {
    const progress = new RecordedProgress();
    await using input = await open(path, {}, progress);
    assert.deepEqual(await readAll(input.rootfs.reader), inputs.root);
    assert.equal(input.bootProfile?.id, "one");
    assert.equal(input.kernel, undefined);
    assert.equal(progress.count(/^note boot profile A phone$/), 1);
  }
});

Deno.test({
  name: "openInput() reads a profile's kernel and device trees from their own partition",
  ignore: !DISK_TOOLS.every(hasTool),
  fn: async () => {
    await using inputs = await rootInputs();
    const kernel = new TextEncoder().encode("a kernel");
    const fat = await fatImage(inputs.dir, { "vmlinuz": kernel, "dtbs/qemu/virt.dtb": kernel });
    const disk = await mbrDisk(`${inputs.dir}/disk`, [
      { bytes: fat, type: "c" },
      { bytes: inputs.root },
    ]);
    const of = (index: number) =>
      `{mbr: {index: ${index}, gzip: {http: URL}}}`
        .replace("gzip: {http: URL}", `file: ${disk}`);
    const path = await write(
      inputs,
      "p.fbp",
      await compiled([
        `id: one\nrootfs: {ext4: ${of(1)}}`,
        `kernel: {path: //vmlinuz, fat: ${of(0)}}\ndtbs: {path: /dtbs, fat: ${of(0)}}\n`,
      ].join("\n")),
    );
    await using input = await open(path);
    assert.deepEqual(await readAll(input.rootfs.reader), inputs.root);
    assert.deepEqual([input.kernel?.path, input.dtbs?.path], ["vmlinuz", "dtbs"]);
    await using tree = await input.kernel!.openTree();
    await using file = await tree.open("vmlinuz");
    assert.deepEqual(await readAll(file), kernel);
    await using dtbs = await input.dtbs!.openTree();
    assert.equal((await dtbs.list("dtbs/qemu"))[0]?.name, "virt.dtb");

    const wrong = await write(
      inputs,
      "wrong.fbp",
      await compiled(`id: one\nrootfs: {ext4: ${of(1)}}\nkernel: {path: /vmlinuz, ext4: ${of(0)}}`),
    );
    await using other = await open(wrong);
    await assert.rejects(other.kernel!.openTree(), ofKind("corrupt", /is fat, .* says ext4/));
  },
});

Deno.test("openInput() chooses one of a channel's profiles by id or device", async () => {
  await using inputs = await rootInputs();
  const other = await write(inputs, "other.ext4", inputs.root, new Uint8Array(4096));
  const devices = (id: string) => `stage0: {devices: {${id}: {}}}\n`;
  const path = await write(
    inputs,
    "edge.channel",
    DEVICE,
    await compiled(manifestOf("one", inputs.rootPath, devices("dev-one"))),
    await compiled(manifestOf("two", other, devices("dev-two"))),
  );
  const chosen = async (words: Words) => {
    await using input = await open(path, words);
    assert.deepEqual(input.deviceProfiles.map(({ id }) => id), ["dev-one"]);
    return [input.bootProfile!.id, input.rootfs.reader.sizeBytes - inputs.root.length];
  };
  assert.deepEqual(await chosen({ bootProfile: "one" }), ["one", 0]);
  assert.deepEqual(await chosen({ bootProfile: "two" }), ["two", 4096]);
  assert.deepEqual(await chosen({ deviceProfile: "dev-two" }), ["two", 4096]);
  await assert.rejects(open(path), ofKind("usage", /several fit[^]*one, two/));
  await assert.rejects(open(path, { bootProfile: "x" }), ofKind("usage", /none named "x"/));
  await assert.rejects(
    open(path, { bootProfile: "one", deviceProfile: "dev-two" }),
    ofKind("usage", /"one" is not for device dev-two[^]*for dev-one/),
  );
  await assert.rejects(
    open(path, { deviceProfile: "x" }),
    ofKind("usage", /none is for device x[^]*They are for dev-one, dev-two/),
  );
  const twice = await compiled(manifestOf("one", inputs.rootPath));
  await assert.rejects(
    open(await write(inputs, "twice.channel", twice, twice), { bootProfile: "one" }),
    ofKind("usage", /there are 2 named "one"[^]*id of its own/),
  );
});

Deno.test("openInput() takes the image behind a channel's records for its root", async () => {
  await using inputs = await rootInputs();
  const profile = await compiled(manifestOf("one", "/absent/root.ext4"));
  for (const image of [inputs.root, new Uint8Array(gzipSync(inputs.root))]) {
    for (const records of [[profile], [DEVICE], [DEVICE, profile]]) {
      const path = await write(inputs, "c.channel", ...records, image);
      await using input = await open(path);
      assert.deepEqual(await readAll(input.rootfs.reader), inputs.root);
      assert.equal(input.bootProfile?.id, records.includes(profile) ? "one" : undefined);
      await using tree = await input.rootfs.openTree();
      assert.equal((await tree.stat("sbin/init"))?.kind, "file");
    }
  }
  const alone = await write(inputs, "d.channel", DEVICE);
  await assert.rejects(open(alone), ofKind("unsupported", /neither a boot profile nor an image/));
});

Deno.test("openInput() reads a channel's head to its end, wherever the first part is cut", async () => {
  await using inputs = await rootInputs();
  const first = await compiled(manifestOf("one", inputs.rootPath));
  const overlay = (sizeBytes: number) => {
    const bytes = new Uint8Array(sizeBytes);
    new DataView(bytes.buffer).setUint32(0, 0xd00dfeed);
    new DataView(bytes.buffer).setUint32(4, sizeBytes);
    return bytes;
  };
  const big = async (id: string, sizeBytes: number) => {
    const profile = await parseBootProfile(manifestOf(id, inputs.rootPath), "the test's manifest");
    return encodeBootProfile({ ...profile, dtOverlays: [overlay(sizeBytes)] });
  };
  const half = await big("big-1", (1 << 19) - 512);
  // The first part read is 1 MiB long: the last record begins right at its end, and around it.
  for (const behind of [-8, -4, 0, 1]) {
    const overhead = (await big("big-2", 1 << 18)).length - (1 << 18);
    const rest = (1 << 20) + behind - half.length;
    const filler = [half, await big("big-2", 1 << 18)];
    filler.push(await big("big-3", rest - filler[1]!.length - overhead));
    assert.equal(concat(filler).length, (1 << 20) + behind);
    const path = await write(inputs, "c.channel", ...filler, first);
    await using input = await open(path, { bootProfile: "one" });
    assert.deepEqual(await readAll(input.rootfs.reader), inputs.root);
  }
});

Deno.test("openInput() refuses what a profile gets wrong, and leaves nothing open", async () => {
  await using inputs = await rootInputs();
  const { rootPath } = inputs;
  const erofs = await write(inputs, "r.ero", rootImage());
  const refused: [string, Parameters<typeof ofKind>][] = [
    [`id: a\nrootfs: {ostree: {ext4: {file: ${rootPath}}}}`, ["unsupported", /OSTree/]],
    [`id: a\nrootfs: {erofs: {file: ${rootPath}}}`, ["corrupt", /it is ext4, .* says erofs/]],
    [`id: a\nrootfs: {ext4: {file: ${erofs}}}`, ["corrupt", /it is erofs, .* says ext4/]],
    [`id: a\nrootfs: {ext4: {xz: {file: ${rootPath}}}}`, ["corrupt"]],
    [`id: a\nrootfs: {ext4: {file: ${inputs.dir}/absent}}`, ["not-found", /absent/]],
    [`id: a\nrootfs: {ext4: {gpt: {index: 0, file: ${rootPath}}}}`, ["unsupported", /no GUID/]],
  ];
  for (const [manifest, expected] of refused) {
    const path = await write(inputs, "p.fbp", await compiled(manifest));
    await assert.rejects(open(path), ofKind(...expected), manifest);
  }
  const whole = await compiled(manifestOf("a", rootPath));
  const cut = await write(inputs, "cut.fbp", whole.subarray(0, -3));
  await assert.rejects(open(cut), ofKind("corrupt"));
  const path = await write(inputs, "p.fbp", whole);
  await assert.rejects(open(path, { partition: "2" }), ofKind("usage", /profile says where/));
  await assert.rejects(open(rootPath, { bootProfile: "a" }), ofKind("usage", /no boot profile/));
});

Deno.test("openInput() lets no profile from elsewhere name files of this machine", async () => {
  await using inputs = await rootInputs();
  await using web = new FaultyHttp(await compiled(manifestOf("a", inputs.rootPath)));
  await assert.rejects(open(web.url()), ofKind("permission", /root\.ext4[^]*Fetch the profile/));
  const manifests = [
    manifestOf("a", inputs.rootPath),
    "id: a\nrootfs: {ext4: {http: 'http://h/'}}\ndt_overlays: [{path: /etc/passwd}]\n",
    "id: a\nrootfs: {ext4: {http: 'http://h/'}}\nkernel: {path: k, fat: {xz: {file: x}}}\n",
    "id: a\nrootfs: {ext4: {casync: /srv/x.caibx}}\n",
    "id: a\nrootfs: {ext4: {casync: {index: http://h/x.caibx, chunk_store: /srv}}}\n",
    "id: a\nrootfs: {ext4: {http: 'file:///srv/root.ext4'}}\n",
  ];
  for (const manifest of manifests) {
    web.bytes = new TextEncoder().encode(manifest);
    await assert.rejects(open(web.url("/p.yaml")), ofKind("permission"), manifest);
  }
});

Deno.test("openInput() refuses bytes that a profile's hints do not know", async () => {
  await using inputs = await rootInputs();
  const { dir, rootPath, root } = inputs;
  await Deno.writeTextFile(`${dir}/p.yaml`, manifestOf("one", rootPath));
  const options = { output: `${dir}/p.fbp`, optimize: true };
  const progress = new RecordedProgress();
  await runBootprofileCreate([`${dir}/p.yaml`], options, { signal, progress });
  {
    await using input = await open(`${dir}/p.fbp`);
    assert.deepEqual(await readAll(input.rootfs.reader), root);
  }
  const changed = root.slice();
  changed[changed.length - 1]! ^= 1;
  await Deno.writeFile(rootPath, changed);
  // One hashed block covers all of this image, its superblock too.
  await assert.rejects(open(`${dir}/p.fbp`), ofKind("source", /its SHA-256 begins/));
  await Deno.writeFile(rootPath, concat([root, new Uint8Array(512)]));
  await assert.rejects(open(`${dir}/p.fbp`), ofKind("source", /has 86528 bytes/));
});

Deno.test("openInput() ends with the signal, and with what a profile's server answers", async () => {
  await using inputs = await rootInputs();
  await using web = new FaultyHttp(inputs.root);
  const manifest = `id: a\nrootfs: {ext4: {xz: {http: "${web.url()}"}}}\n`;
  const path = await write(inputs, "p.fbp", await compiled(manifest));
  web.onRequest = () => ({ status: 404 });
  await assert.rejects(open(path), ofKind("not-found", /404/));
  const stop = new AbortController();
  web.onRequest = () => (stop.abort(), { silent: true });
  const options = { env: {}, progress: new RecordedProgress(), signal: stop.signal };
  await assert.rejects(openInput({ rootfs: path }, options), ofKind("cancelled"));
});
