import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeBootProfileYaml } from "../../../lib/profiles/boot/boot_profile_document.ts";
import { decodeBootProfile } from "../../../lib/profiles/boot/decode_boot_profile.ts";
import { encodeBootProfile } from "../../../lib/profiles/boot/encode_boot_profile.ts";
import { fillContent } from "../../../lib/profiles/boot/fill_content.ts";
import { parseBootProfile } from "../../../lib/profiles/boot/parse_boot_profile.ts";
import { type BootProfile, pipelinesOf } from "../../../lib/profiles/boot_profile.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { refusedOf } from "../../images/pipeline/hostile_bytes.ts";
import { bootProfiles } from "./arbitrary_boot_profile.ts";

const ascii = (text: string) => new TextEncoder().encode(text);
const HEAD = [...ascii("FBOOPROF"), 0, 0];

const SMALL: BootProfile = {
  id: "a",
  rootfs: {
    filesystem: "erofs",
    isOstree: false,
    pipeline: {
      kind: "http",
      url: "https://e/r.ero",
      corsSafelistedMode: false,
      content: { digest: `sha512:${"1".repeat(128)}`, sizeBytes: 123 },
    },
  },
  dtOverlays: [],
  stage0: { kernelModules: ["ff-memless"], devices: new Map() },
};

Deno.test("encodeBootProfile() gives the bytes of upstream's format", () => {
  const bytes = encodeBootProfile(SMALL);
  assert.equal(bytes.length, 188);
  assert.equal(
    bytes.subarray(0, 32).toHex(),
    "46424f4f50524f46000001610001010f68747470733a2f2f652f722e65726f00",
  );
  assert.equal(bytes.subarray(-20).toHex(), "31317b00000000010a66662d6d656d6c65737300");
  assert.deepEqual(decodeBootProfile(bytes), { profile: SMALL, sizeBytes: 188 });
});

interface Published {
  version: number;
  cors: boolean;
  content: boolean;
  device: boolean;
}

/** As published in March 2026: ext4 of gpt of sparse of xz of a URL of 138 bytes. */
function published({ version, cors, content, device }: Published): Uint8Array {
  const id = ascii("pmos-edge-phosh-oneplus-fajita");
  const name = ascii("postmarketOS edge phosh oneplus-fajita");
  const url = ascii("https://".padEnd(138, "x"));
  const declared = content ? [1, 0x87, 1, ...ascii(DIGEST), 0xc4, 0xad, 0xeb, 0xb8, 2] : [];
  const above = content ? [0, 0, 0] : [];
  const below = [4, 3, 1, 0x8a, 1, ...url, ...cors ? [1] : [], ...declared, ...above];
  return Uint8Array.of(
    ...[...ascii("FBOOPROF"), version, 0],
    ...[id.length, ...id, 1, name.length, ...name],
    ...[2, 6, 0, 0, 1, 1, ...below],
    ...[1, 8, ...ascii("/vmlinuz"), 3, 6, 0, 0, 1, 0, ...below],
    ...[0, 0, 1, 6, ...ascii("splash"), 0],
    ...device ? [1, 1, ...ascii("x"), 0, 0, 1, 1, ...ascii("m")] : [0],
  );
}
const DIGEST = `sha512:${"e6".repeat(64)}`;
/** The three layouts that the history of a public channel holds. */
const LAYOUTS = [
  { version: 0, cors: true, content: true },
  { version: 0, cors: false, content: true },
  { version: 2, cors: true, content: false },
];

Deno.test("decodeBootProfile() reads files of March 2026, whose stages have other numbers", () => {
  for (const device of [true, false]) {
    for (const layout of LAYOUTS) {
      const bytes = published({ ...layout, device });
      const { profile, sizeBytes } = decodeBootProfile(bytes);
      assert.equal(sizeBytes, bytes.length);
      assert.deepEqual([profile.id, profile.displayName, profile.extraCmdline], [
        "pmos-edge-phosh-oneplus-fajita",
        "postmarketOS edge phosh oneplus-fajita",
        "splash",
      ]);
      const http = {
        kind: "http",
        url: "https://".padEnd(138, "x"),
        corsSafelistedMode: layout.cors,
        ...layout.content ? { content: { digest: DIGEST, sizeBytes: 656070340 } } : {},
      };
      const sparse = { kind: "android_sparseimg", source: { kind: "xz", source: http } };
      assert.deepEqual(pipelinesOf(profile), [
        { kind: "gpt", selector: { index: 1 }, source: sparse },
        { kind: "gpt", selector: { index: 0 }, source: sparse },
      ]);
      assert.deepEqual(
        [...profile.stage0.devices],
        device ? [["x", { dtOverlays: [], kernelModules: ["m"] }]] : [],
      );
    }
  }
});

Deno.test("a compiled profile, shown and compiled again, has the same bytes", async () => {
  await fc.assert(
    fc.asyncProperty(bootProfiles, async (profile) => {
      const bytes = encodeBootProfile(profile);
      const decoded = decodeBootProfile(bytes);
      assert.equal(decoded.sizeBytes, bytes.length);
      assert.deepEqual(decoded.profile, profile);
      const manifest = encodeBootProfileYaml(decoded.profile);
      assert.deepEqual(encodeBootProfile(await parseBootProfile(manifest, "p")), bytes, manifest);
    }),
    { numRuns: 300, seed: 8 },
  );
});

Deno.test("decodeBootProfile() refuses other versions and broken parts", () => {
  const decode = (...tail: number[]) => decodeBootProfile(Uint8Array.of(...HEAD, ...tail));
  const rootfs = [1, 2, 1, 114, 0];
  const rest = [0, 0, 0, 0, 0];
  assert.equal(decode(1, 97, 0, ...rootfs, ...rest, 0).profile.id, "a");
  assert.throws(
    () => decodeBootProfile(Uint8Array.of(...ascii("FBOOPROF"), 3, 0)),
    ofKind("unsupported", /version is 3/),
  );
  assert.throws(() => decodeBootProfile(ascii("GBXPIPE0")), ofKind("corrupt", /FBOOPROF/));
  assert.throws(() => decode(1, 32, 0, ...rootfs, ...rest, 0), ofKind("corrupt", /id must not be/));
  assert.throws(() => decode(1, 97, 0, 4), ofKind("corrupt", /no file system has the number 4/));
  assert.throws(() => decode(1, 97, 0, 0, 3), ofKind("corrupt", /no file system has the number 3/));
  const device = [1, 120, 0, 0, 0, 0];
  assert.equal(decode(1, 97, 0, ...rootfs, ...rest, 1, ...device).profile.stage0.devices.size, 1);
  assert.throws(
    () => decode(1, 97, 0, ...rootfs, ...rest, 2, ...device, ...device),
    ofKind("corrupt", /twice/),
  );
  assert.throws(() => decode(1, 97, 0, ...rootfs, 0, 0, 1, 2, 1, 2), ofKind("corrupt", /overlay/));
});

Deno.test("decodeBootProfile() ends typed on damaged and random bytes", () => {
  const valid = [
    ...fc.sample(bootProfiles, { numRuns: 30, seed: 9 }).map(encodeBootProfile),
    ...LAYOUTS.map((layout) => published({ ...layout, device: true })),
  ];
  const refused = refusedOf(valid, decodeBootProfile, 3000, 10);
  assert.ok(refused > 1000 && refused < 3000, `${refused} refused`);
});

Deno.test("parseBootProfile() ends typed on damaged manifests", async () => {
  const texts = fc.sample(bootProfiles, { numRuns: 10, seed: 11 }).map(encodeBootProfileYaml);
  const cases = fc.tuple(fc.nat(9), fc.nat(1 << 20), fc.string({ maxLength: 3, unit: "binary" }));
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(cases, async ([which, at, piece]) => {
      const text = texts[which]!;
      const cut = at % text.length;
      try {
        await parseBootProfile(text.slice(0, cut) + piece + text.slice(cut + 1), "p");
      } catch (error) {
        assert.match(
          String((error as { kind?: string }).kind),
          /^(corrupt|limit|unsupported)$/,
          `${error}`,
        );
        refused++;
      }
    }),
    { numRuns: 400, seed: 12 },
  );
  assert.ok(refused > 100, `${refused}`);
});

Deno.test("fillContent() digests each file that declares no content once", async () => {
  const file = { kind: "file", path: "r.img" } as const;
  const profile = await parseBootProfile(
    `id: a
rootfs: {ext4: {xz: {file: r.img}}}
kernel: {path: /k, ext4: {gpt: {index: 1, file: r.img}}}
dtbs: {path: /d, ext4: {http: "https://a"}}`,
    "p",
  );
  const content = { digest: `sha512:${"2".repeat(128)}`, sizeBytes: 9 };
  const asked: string[] = [];
  const filled = await fillContent(profile, (path) => {
    asked.push(path);
    return Promise.resolve(content);
  });
  assert.deepEqual(asked, ["r.img"]);
  assert.deepEqual(pipelinesOf(filled), [
    { kind: "xz", source: { ...file, content } },
    { kind: "gpt", selector: { index: 1 }, source: { ...file, content } },
    { kind: "http", url: "https://a", corsSafelistedMode: false },
  ]);
  const again = await fillContent(filled, () => assert.fail("nothing is left to digest"));
  assert.deepEqual(again, filled);
});
