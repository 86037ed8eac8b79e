import assert from "node:assert/strict";
import { parseDeviceProfile } from "../../lib/profiles/device_profile.ts";
import { FastboopError } from "../../lib/errors/errors.ts";

const FULL = `id: dev-one
display_name: Device One
arch: aarch64
devicetree_name: qcom/sdm845-dev-one
match:
  - fastboot:
      vid: 0x18d1
      pid: 53261
probe:
  - { fastboot.getvar: product, equals: sdm845 }
  - fastboot.getvar: serialno
    starts_with: S6MQ
  - { fastboot.getvar: variant, not_equals: lite }
  - { fastboot.getvar: "partition-type:op2", exists: }
  - { fastboot.getvar: gone, not_exists: null }
kernel_modules: [dwc3, "?phy-qcom-qusb2"]
boot:
  fastboot_boot:
    android_bootimg:
      header_version: 2
      page_size: 4096
      base: 0x80000000
      kernel_offset: 0x8000
      ramdisk_offset: 0x02000000
      second_offset: 0x00e00000
      tags_offset: 0x1e00000
      dtb_offset: 0x100000000
      limits:
        max_kernel_bytes: 33554432
        max_total_bytes: 0
      kernel:
        encoding: image.gz
      initrd:
        compress: none
      cmdline_append: console=ttyMSM0,115200n8
`;

const SMALL = `id: a
match: []
probe: []
boot: {fastboot_boot: {bootimg: {header_version: 0, page_size: 2048, kernel: {encoding: image}}}}
`;

Deno.test("parseDeviceProfile() reads every key", () => {
  assert.deepEqual(parseDeviceProfile(FULL, "test"), {
    id: "dev-one",
    displayName: "Device One",
    arch: "aarch64",
    devicetreeName: "qcom/sdm845-dev-one",
    match: [{ vendorId: 0x18d1, productId: 0xd00d }],
    probe: [
      { type: "equals", name: "product", value: "sdm845" },
      { type: "starts-with", name: "serialno", value: "S6MQ" },
      { type: "not-equals", name: "variant", value: "lite" },
      { type: "exists", name: "partition-type:op2" },
      { type: "not-exists", name: "gone" },
    ],
    kernelModules: [
      { name: "dwc3", optional: false },
      { name: "phy-qcom-qusb2", optional: true },
    ],
    bootImage: {
      headerVersion: 2,
      pageSizeBytes: 4096,
      addresses: {
        kernel: 0x80008000,
        ramdisk: 0x82000000,
        second: 0x80e00000,
        tags: 0x81e00000,
        dtb: 0x180000000,
      },
      kernelEncoding: "image.gz",
      limits: { maxKernelBytes: 33554432, maxRamdiskBytes: 0, maxTotalBytes: 0 },
      cmdlineAppend: "console=ttyMSM0,115200n8",
    },
  });
});

Deno.test("parseDeviceProfile() fills in what may be left out, and reads JSON", () => {
  const profile = parseDeviceProfile(SMALL, "test");
  assert.deepEqual(profile, {
    id: "a",
    arch: "aarch64",
    match: [],
    probe: [],
    kernelModules: [],
    bootImage: {
      headerVersion: 0,
      pageSizeBytes: 2048,
      addresses: {
        kernel: 0x8000,
        ramdisk: 0x01000000,
        second: 0x00f00000,
        tags: 0x100,
        dtb: 0x01f00000,
      },
      kernelEncoding: "image",
      limits: { maxKernelBytes: 0, maxRamdiskBytes: 0, maxTotalBytes: 0 },
    },
  });
  const json = JSON.stringify({
    id: "a",
    match: [],
    probe: [],
    boot: {
      fastboot_boot: {
        bootimg: { header_version: 0, page_size: 2048, kernel: { encoding: "image" } },
      },
    },
  });
  assert.deepEqual(parseDeviceProfile(json, "test"), profile);
});

/** [what is replaced, by what, the error's state]. */
const WRONG: [string, string, RegExp][] = [
  ["id: dev-one", "id: dev-one\ncolour: red", /^colour: unknown key \(line 2, column 1\)$/],
  [
    "vid: 0x18d1",
    "vid: 0x18d1\n      class: 3",
    /^match\.0\.fastboot\.class: unknown key \(line 8,/,
  ],
  ["- fastboot:", "- usb: 1\n    fastboot:", /^match\.0\.usb: unknown key \(line 6, column 5\)$/],
  [
    "  fastboot_boot:",
    "  fastboot_boot:\n    cmdline_append: quiet",
    /^boot\.fastboot_boot\.cmdline_append: unknown key \(line 19, column 5\)$/,
  ],
  ["page_size: 4096", "page_sizes: 4096", /page_sizes?: (unknown key|missing)/],
  [
    "        max_total_bytes",
    "        max_totl_bytes",
    /limits\.max_totl_bytes: unknown key \(line 30,/,
  ],
  ["encoding: image.gz", "encoding: image.gz\n        level: 9", /kernel\.level: unknown key/],
  ["compress: none", "compress: gzip", /initrd\.compress: must be none/],
  ["compress: none", "compress: none\n        x: 1", /initrd\.x: unknown key/],
  ["  android_bootimg:", "  none_of_these:", /fastboot_boot\.none_of_these: unknown key/],
  ["id: dev-one\n", "", /^id: missing/],
  ["id: dev-one", "id: ../x", /^id: must be letters.*\(line 1, column 5\)$/],
  ["id: dev-one", "id: 7", /^id: must be string, is 7/],
  ["arch: aarch64", "arch: armv5", /^arch: must be aarch64 or x86_64/],
  ["qcom/sdm845-dev-one", "../../etc/passwd", /^devicetree_name: must be a path below/],
  ["qcom/sdm845-dev-one", "/qcom/x", /^devicetree_name: must be a path below/],
  ["vid: 0x18d1", "vid: 0x10000", /vid: must be at most 65535/],
  ["vid: 0x18d1", "vid: '18d1'", /vid: must be a number/],
  ["equals: sdm845", "equal: sdm845", /^probe\.0: must be fastboot\.getvar with one of/],
  [
    "exists: }",
    "exist: }",
    /^probe\.3: must be fastboot\.getvar with one of.*\(line 14, column 5\)/,
  ],
  ["exists: }", "exists: yes }", /^probe\.3/],
  ["equals: sdm845", "equals: sdm845, exists:", /^probe\.0/],
  ["header_version: 2", "header_version: 3", /header_version: must be 0, 1 or 2 \(line 20,/],
  ["page_size: 4096", "page_size: 0", /page_size: must be 2048/],
  ["kernel_offset: 0x8000", "kernel_offset: -1", /kernel_offset: must not be negative/],
  ["kernel_offset: 0x8000", "kernel_offset: 0x80000000", /base \+ kernel_offset is 0x100000000/],
  ["encoding: image.gz", "encoding: image.lz4", /encoding: must be image, .*not supported/],
  ["[dwc3,", "['../dwc3',", /^kernel_modules\.0: must be a module's name/],
  ["ttyMSM0,115200n8", "tty\u00e9", /cmdline_append: must be printable ASCII/],
  ["Device One", '"a\\e[31mb"', /^display_name: must not hold control characters/],
  ["match:", "match: *nothing\nx:", /alias.*nothing/],
  ["match:", "id: twice\nmatch:", /unique.*line \d+/],
  ["id: dev-one", "id: [", /line \d+, column \d+/],
];
for (const [from, to, state] of WRONG) {
  Deno.test(`parseDeviceProfile() refuses ${JSON.stringify(to)}`, () => {
    assert.ok(FULL.includes(from), "the replaced text must be there");
    assert.throws(() => parseDeviceProfile(FULL.replace(from, to), '"x.yaml"'), (error) => {
      assert.ok(error instanceof FastboopError, String(error));
      assert.equal(error.kind, "corrupt", error.state);
      assert.equal(error.action, 'Read "x.yaml"');
      assert.match(error.state, state);
      return true;
    });
  });
}

Deno.test("parseDeviceProfile() wants exactly one boot image", () => {
  const image = "{header_version: 0, page_size: 2048, kernel: {encoding: image}}";
  const state = /must hold one of android_bootimg and bootimg/;
  for (const boot of [`{bootimg: ${image}, android_bootimg: ${image}}`, "{}"]) {
    const text = `{id: a, match: [], probe: [], boot: {fastboot_boot: ${boot}}}`;
    assert.throws(() => parseDeviceProfile(text, "x"), { kind: "corrupt", state });
  }
});

Deno.test("parseDeviceProfile() refuses what is no object, or too large, or explodes", () => {
  for (const text of ["", "[]", "7", "null", "a: 1\n---\nb: 2"]) {
    assert.throws(() => parseDeviceProfile(text, "x"), { kind: "corrupt" }, text);
  }
  const fit = SMALL + "#".repeat((1 << 20) - SMALL.length);
  parseDeviceProfile(fit, "x");
  assert.throws(() => parseDeviceProfile(fit + "#", "x"), { kind: "limit" });
  const bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" +
    [..."bcdefgh"].map((name, i) => {
      const before = "abcdefgh"[i];
      return `${name}: &${name} [${Array(9).fill(`*${before}`).join(",")}]\n`;
    }).join("");
  const startMs = performance.now();
  assert.throws(() => parseDeviceProfile(bomb, "x"), { kind: "limit" });
  assert.ok(performance.now() - startMs < 1000);
});
