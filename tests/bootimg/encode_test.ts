/** Boot images beside those of the reference tool, mkbootimg. */
import assert from "node:assert/strict";
import { concat } from "../../lib/bytes/concat.ts";
import { type BootImageParts, encodeBootImage } from "../../lib/bootimg/encode.ts";
import { imageId } from "../../lib/bootimg/image_id.ts";
import { readFixture } from "../support/fixture.ts";
import type { HeaderVersion } from "../../lib/bootimg/layout.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const hex = (bytes: Uint8Array) => bytes.toHex();

const SMALL: BootImageParts = {
  headerVersion: 0,
  pageSizeBytes: 2048,
  addresses: {
    kernel: 0x10008000,
    ramdisk: 0x11000000,
    second: 0x10f00000,
    tags: 0x10000100,
    dtb: 0x11f00000,
  },
  kernel: bytesOf("KKKKK"),
  ramdisk: bytesOf("RRR"),
  cmdline: "",
};

function noise(sizeBytes: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  for (let i = 0; i < sizeBytes; i++) bytes[i] = (seed = (seed * 48271) % 0x7fffffff) & 0xff;
  return bytes;
}

Deno.test("encodeBootImage() makes the fixtures of mkbootimg", async () => {
  const cmdline = "console=ttyS0";
  const v0 = concat(encodeBootImage({ ...SMALL, cmdline }));
  assert.deepEqual(v0, await readFixture("bootimg-v0.img"));
  const v2 = concat(
    encodeBootImage({
      ...SMALL,
      cmdline,
      headerVersion: 2,
      pageSizeBytes: 4096,
      dtb: bytesOf("DDDDDDD"),
    }),
  );
  assert.deepEqual(v2, await readFixture("bootimg-v2.img"));
});

Deno.test("imageId() gives the known digests", () => {
  const sections = { kernel: bytesOf("KKKKK"), ramdisk: bytesOf("RRR") };
  assert.equal(hex(imageId(0, sections)), "022f5f6799f1358c5c7356241f920dcd567e4056");
  const withDtb = { ...sections, dtb: bytesOf("DDDDDDD") };
  assert.equal(hex(imageId(2, withDtb)), "058c0bd7487c5b7c377ba2e0a81d357005524768");
  const inParts = { ...withDtb, kernel: [bytesOf("KK"), bytesOf(""), bytesOf("KKK")] };
  assert.equal(hex(imageId(2, inParts)), "058c0bd7487c5b7c377ba2e0a81d357005524768");
});

Deno.test("encodeBootImage() of version 2 gives each section its page", () => {
  const image = concat(encodeBootImage({
    ...SMALL,
    headerVersion: 2,
    pageSizeBytes: 4096,
    dtb: bytesOf("DDDDDDD"),
  }));
  assert.equal(image.length, 16_384);
  const at = (offset: number, length: number) =>
    new TextDecoder().decode(image.subarray(offset, offset + length));
  assert.deepEqual([at(0, 8), at(4096, 5), at(8192, 3), at(12_288, 7)], [
    "ANDROID!",
    "KKKKK",
    "RRR",
    "DDDDDDD",
  ]);
});

Deno.test("encodeBootImage() copies no section and is deterministic", () => {
  const parts = encodeBootImage(SMALL);
  assert.ok(parts.includes(SMALL.kernel as Uint8Array));
  assert.ok(parts.includes(SMALL.ramdisk as Uint8Array));
  assert.deepEqual(concat(parts), concat(encodeBootImage(SMALL)));
  assert.equal(parts.some(({ length }) => length === 0), false);
});

Deno.test("encodeBootImage() refuses what no header can hold", () => {
  const refused = (more: Partial<BootImageParts>, kind: string, state: RegExp) =>
    assert.throws(() => encodeBootImage({ ...SMALL, ...more }), { kind, state });
  refused({ cmdline: "caf\u00e9" }, "usage", /ASCII/);
  refused({ cmdline: "a\nb" }, "usage", /ASCII/);
  refused({ cmdline: "a\0b" }, "usage", /ASCII/);
  refused({ cmdline: "x".repeat(1537) }, "limit", /1537 characters, 1536 fit/);
  refused({ name: "x".repeat(17) }, "usage", /17 characters/);
  refused({ pageSizeBytes: 1024 }, "usage", /page size/);
  refused({ pageSizeBytes: 5000 }, "usage", /page size/);
  refused({ dtb: bytesOf("D") }, "usage", /no place for a devicetree/);
  refused({ kernel: new Uint8Array() }, "usage", /kernel is empty/);
  refused({ addresses: { ...SMALL.addresses, kernel: 2 ** 32 } }, "usage", /32 bits/);
  encodeBootImage({ ...SMALL, cmdline: "x".repeat(1536), name: "x".repeat(16) });
});

Deno.test("encodeBootImage() holds the device's limits to the byte", () => {
  const total = encodeBootImage(SMALL).reduce((sum, part) => sum + part.length, 0);
  const fit = { maxKernelBytes: 5, maxRamdiskBytes: 3, maxTotalBytes: total };
  encodeBootImage({ ...SMALL, limits: fit });
  encodeBootImage({ ...SMALL, limits: { maxKernelBytes: 0 } });
  for (const key of ["maxKernelBytes", "maxRamdiskBytes", "maxTotalBytes"] as const) {
    const limits = { ...fit, [key]: fit[key] - 1 };
    assert.throws(() => encodeBootImage({ ...SMALL, limits }), { kind: "limit" }, key);
  }
});

function hasTool(name: string): boolean {
  try {
    return new Deno.Command(name, { args: ["--help"], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "fastboop-bootimg-" });
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function runTool(name: string, args: string[]): Promise<string> {
  const out = await new Deno.Command(name, { args, stderr: "piped" }).output();
  assert.ok(out.success, new TextDecoder().decode(out.stderr));
  return new TextDecoder().decode(out.stdout);
}

interface Case {
  headerVersion: HeaderVersion;
  pageSizeBytes: number;
  base: number;
  kernelBytes: number;
  ramdiskBytes: number;
  secondBytes: number;
  cmdline: string;
  name: string;
}

const CASES: Case[] = [];
for (const headerVersion of [0, 1, 2] as const) {
  for (const [i, pageSizeBytes] of [2048, 4096, 16384].entries()) {
    CASES.push({
      headerVersion,
      pageSizeBytes,
      base: [0, 0x10000000, 0x80000000][i]!,
      kernelBytes: [1, pageSizeBytes, pageSizeBytes * 3 + 1][i]!,
      ramdiskBytes: [pageSizeBytes - 1, 0, 70_000][i]!,
      secondBytes: [0, 100, 0][i]!,
      cmdline: ["", "console=ttyMSM0,115200n8 quiet", "w".repeat(511) + " " + "x".repeat(1024)][i]!,
      name: ["", "board", "sixteen-letters!"][i]!,
    });
  }
}

for (const one of CASES) {
  const { headerVersion, pageSizeBytes, kernelBytes, base } = one;
  Deno.test({
    name: `encodeBootImage() equals mkbootimg: v${headerVersion}, page ${pageSizeBytes}, ` +
      `kernel ${kernelBytes}, base 0x${base.toString(16)}`,
    ignore: !hasTool("mkbootimg"),
    fn: () => inFolder((folder) => compare(folder, one)),
  });
}

async function compare(folder: string, one: Case): Promise<void> {
  const kernel = noise(one.kernelBytes, 1);
  const ramdisk = noise(one.ramdiskBytes, 2);
  const second = noise(one.secondBytes, 3);
  const dtb = noise(5000, 4);
  const files = { kernel, ramdisk, second, dtb };
  for (const [name, bytes] of Object.entries(files)) {
    await Deno.writeFile(`${folder}/${name}`, bytes);
  }
  const { base } = one;
  // deno-fmt-ignore
  await runTool("mkbootimg", [
    "--header_version", String(one.headerVersion), "--pagesize", String(one.pageSizeBytes),
    "--base", String(base), "--kernel_offset", "0x8000", "--ramdisk_offset", "0x1000000",
    "--second_offset", "0xf00000", "--tags_offset", "0x100", "--dtb_offset", "0x1f00000",
    "--kernel", `${folder}/kernel`, "--ramdisk", `${folder}/ramdisk`,
    ...(one.secondBytes > 0 ? ["--second", `${folder}/second`] : []),
    ...(one.headerVersion === 2 ? ["--dtb", `${folder}/dtb`] : []),
    "--cmdline", one.cmdline, "--board", one.name, "-o", `${folder}/boot.img`,
  ]);
  const theirs = await Deno.readFile(`${folder}/boot.img`);
  const ours = concat(encodeBootImage({
    headerVersion: one.headerVersion,
    pageSizeBytes: one.pageSizeBytes,
    addresses: {
      kernel: base + 0x8000,
      ramdisk: base + 0x1000000,
      second: base + 0xf00000,
      tags: base + 0x100,
      dtb: base + 0x1f00000,
    },
    kernel: [kernel.subarray(0, 1), kernel.subarray(1)],
    ramdisk,
    ...(one.secondBytes > 0 ? { second } : {}),
    ...(one.headerVersion === 2 ? { dtb } : {}),
    cmdline: one.cmdline,
    name: one.name,
  }));
  assert.equal(hex(ours.subarray(0, 1660)), hex(theirs.subarray(0, 1660)));
  assert.deepEqual(ours, theirs);
}

Deno.test({
  name: "unpack_bootimg finds in our image what went in, and a flipped byte is noticed",
  ignore: !hasTool("unpack_bootimg"),
  fn: () =>
    inFolder(async (folder) => {
      const kernel = noise(10_000, 1);
      const dtb = noise(3000, 2);
      const image = concat(encodeBootImage({
        ...SMALL,
        headerVersion: 2,
        kernel,
        dtb,
        cmdline: "quiet console=tty0",
      }));
      const unpack = async (bytes: Uint8Array) => {
        await Deno.writeFile(`${folder}/boot.img`, bytes);
        const text = await runTool("unpack_bootimg", [
          "--boot_img",
          `${folder}/boot.img`,
          "--out",
          `${folder}/out`,
        ]);
        return { text, kernel: await Deno.readFile(`${folder}/out/kernel`) };
      };
      const good = await unpack(image);
      assert.match(good.text, /command line args: quiet console=tty0/);
      assert.match(good.text, /boot image header version: 2|boot.*version: 2/);
      assert.deepEqual(good.kernel, kernel);
      assert.deepEqual(await Deno.readFile(`${folder}/out/dtb`), dtb);
      image[2048 + 5000]! ^= 1;
      assert.notDeepEqual((await unpack(image)).kernel, kernel);
    }),
});
