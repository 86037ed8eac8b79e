import assert from "node:assert/strict";
import type { FastboopError } from "../../../lib/errors/errors.ts";
import { parseBootProfile } from "../../../lib/profiles/boot/parse_boot_profile.ts";
import { ofKind } from "../../support/expect_kind.ts";

const IMAGE = "https://downloads.example.com/images/generic-edge.img.xz";
/** The maximal manifest of the first generation's documentation, in our own words and order. */
const FIRST_GENERATION = `
id: generic-edge-phone
display_name: Generic edge image
rootfs:
  ext4:
    mbr:
      index: 1
      android_sparseimg:
        xz:
          http: ${IMAGE}
kernel:
  path: /vmlinuz
  fat: {mbr: {index: 0, android_sparseimg: {xz: {http: "${IMAGE}"}}}}
dtbs:
  path: /dtbs
  fat: {mbr: {index: 0, android_sparseimg: {xz: {http: "${IMAGE}"}}}}
extra_cmdline: console=ttyMSM0,115200n8
stage0:
  extra_modules:
    - ff-memless
`;
const BASE = "id: a\nrootfs: {erofs: {file: r.ero}}\n";
const DTBO = Uint8Array.from(
  { length: 40 },
  (_, i) => [0xd0, 0x0d, 0xfe, 0xed, 0, 0, 0, 40][i] ?? 0,
);

const parse = (text: string) => parseBootProfile(text, "p.yaml");
const refuses = (
  text: string,
  message: RegExp,
  kind: "corrupt" | "unsupported" | "limit" = "corrupt",
) => assert.rejects(parse(text), ofKind(kind, message), text);

Deno.test("parseBootProfile() reads a manifest of the first generation", async () => {
  const profile = await parse(FIRST_GENERATION);
  const http = { kind: "http", url: IMAGE, corsSafelistedMode: false };
  const disk = (index: number) => ({
    kind: "mbr",
    selector: { index },
    source: { kind: "android_sparseimg", source: { kind: "xz", source: http } },
  });
  const boot = { filesystem: "fat", isOstree: false, pipeline: disk(0) };
  assert.deepEqual(profile, {
    id: "generic-edge-phone",
    displayName: "Generic edge image",
    rootfs: { filesystem: "ext4", isOstree: false, pipeline: disk(1) },
    kernel: { path: "/vmlinuz", ...boot },
    dtbs: { path: "/dtbs", ...boot },
    dtOverlays: [],
    extraCmdline: "console=ttyMSM0,115200n8",
    stage0: { kernelModules: ["ff-memless"], devices: new Map() },
  });
});

Deno.test("parseBootProfile() reads a manifest of the current generation, and as JSON", async () => {
  const base64 = DTBO.toBase64();
  const manifest = {
    id: "a",
    rootfs: { ostree: { erofs: { casync: { index: "i.caibx", chunk_store: "s" } } } },
    dt_overlays: [{ base64 }],
    stage0: {
      kernel_modules: ["a"],
      devices: {
        "oneplus-fajita": {
          dt_overlays: [{ base64 }],
          extra_cmdline: "splash",
          stage0: {
            kernel_modules: ["b"],
            inject_mac: { wifi: "qcom,wcn3990-wifi", bluetooth: "qcom,wcn3990-bt" },
          },
        },
        other: {},
      },
    },
  };
  const profile = await parse(JSON.stringify(manifest));
  assert.deepEqual(profile.rootfs, {
    filesystem: "erofs",
    isOstree: true,
    pipeline: { kind: "casync", index: "i.caibx", chunkStore: "s" },
  });
  assert.deepEqual(profile.dtOverlays, [DTBO]);
  assert.deepEqual(profile.stage0.kernelModules, ["a"]);
  assert.deepEqual(profile.stage0.devices.get("oneplus-fajita"), {
    dtOverlays: [DTBO],
    extraCmdline: "splash",
    kernelModules: ["b"],
    injectMac: { wifi: "qcom,wcn3990-wifi", bluetooth: "qcom,wcn3990-bt" },
  });
  assert.deepEqual(profile.stage0.devices.get("other"), { dtOverlays: [], kernelModules: [] });
});

Deno.test("parseBootProfile() refuses unknown keys with their place and the key that was meant", async () => {
  await refuses(
    `${BASE}extra_cmdlin: x`,
    /extra_cmdlin: unknown key \(line 3, column 1\)\nDid you mean extra_cmdline\?/,
  );
  await refuses(`${BASE}kernel_modules: [a]`, /unknown key.*\nPut it under stage0/);
  await refuses(
    `${BASE}stage0: {kernel_module: [a]}`,
    /stage0\.kernel_module: unknown key.*\nDid you mean kernel_modules/,
  );
  await refuses(`${BASE}stage0: {inject_mac: {wifi: a}}`, /inject_mac: unknown key.*\n.*by device/);
  await refuses(
    `${BASE}stage0:\n  devices:\n    x:\n      stage0:\n        inject_mac: {wlan: a}`,
    /stage0\.devices\.x\.stage0\.inject_mac\.wlan: unknown key \(line 7, column 22\)/,
  );
  await refuses(`${BASE}kernel: {path: /k, erofs: {file: a}, fs: b}`, /kernel\.fs: unknown key/);
  await refuses(
    "id: a\nrootfs: {ext5: {file: r}}",
    /rootfs\.ext5: unknown key.*\nDid you mean ext4/,
  );
  await refuses(
    "id: a\nrootfs: {ext4: {fil: r}}",
    /rootfs\.ext4\.fil: unknown key.*\nDid you mean file/,
  );
});

Deno.test("parseBootProfile() refuses what is missing, doubled or of the wrong kind", async () => {
  await refuses("rootfs: {erofs: {file: r}}", /id is missing/);
  await refuses("id: a", /rootfs is missing/);
  await refuses("id: 7\nrootfs: {erofs: {file: r}}", /id: must be a text, is 7: put it in quotes/);
  await refuses("id: ' '\nrootfs: {erofs: {file: r}}", /id: must not be empty/);
  await refuses("id: a\nrootfs: {}", /exactly one of erofs, ext4, fat, ostree; it has none/);
  await refuses("id: a\nrootfs: {erofs: {file: r}, ext4: {file: r}}", /it has erofs and ext4/);
  await refuses("id: a\nrootfs: {ostree: {ostree: {file: r}}}", /unknown key/);
  await refuses(`${BASE}kernel: {path: ' ', erofs: {file: a}}`, /kernel\.path: must not be empty/);
  await refuses(`${BASE}dtbs: {erofs: {file: a}}`, /dtbs: path is missing/);
  await refuses(
    `${BASE}stage0: {kernel_modules: [a], extra_modules: [b]}`,
    /extra_modules: is the old name/,
  );
  await refuses(`${BASE}stage0: {kernel_modules: a}`, /must be a list/);
  await refuses(`${BASE}stage0: {devices: {x: }}`, /devices\.x: is empty/);
  await refuses("[]", /the document: must be a mapping/);
  await refuses("", /the document: must be a mapping/);
});

Deno.test("parseBootProfile() takes overlays as bytes or files, and no source text", async () => {
  await refuses(`${BASE}dt_overlays: ["/dts-v1/;"]`, /needs a compiler.*\n.*dtc/, "unsupported");
  await refuses(`${BASE}dt_overlays: [{base64: "!"}]`, /is no base64/);
  await refuses(`${BASE}dt_overlays: [{base64: "AAAA"}]`, /has 3 bytes/);
  await refuses(`${BASE}dt_overlays: [{base64: "${"A".repeat(80)}"}]`, /no compiled overlay/);
  await refuses(`${BASE}dt_overlays: [{}]`, /needs one of base64, path/);
  await refuses(`${BASE}dt_overlays: [{path: a.dtbo}]`, /not read here/, "unsupported");
  const asked: string[] = [];
  const profile = await parseBootProfile(`${BASE}dt_overlays: [{path: a.dtbo}]`, "p", {
    readOverlay: (path) => {
      asked.push(path);
      return Promise.resolve(DTBO);
    },
  });
  assert.deepEqual([asked, profile.dtOverlays], [["a.dtbo"], [DTBO]]);
});

Deno.test("parseBootProfile() stays quick on documents made to keep it busy", async () => {
  const cases = [
    "[".repeat(1 << 20),
    "a: ".repeat(300_000),
    Array.from({ length: 100_000 }, (_, i) => `k${i}: 1`).join("\n"),
    "&a [*a]",
    `${BASE}dt_overlays: &a [*a]`,
    `id: a\nrootfs: &r {erofs: *r}`,
    "[]".repeat(1 << 19),
  ];
  for (const text of cases) {
    const startMs = performance.now();
    await assert.rejects(
      parse(text),
      (error) => /^(corrupt|limit)$/.test((error as FastboopError).kind),
    );
    assert.ok(performance.now() - startMs < 1000, text.slice(0, 20));
  }
});
