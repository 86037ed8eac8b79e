import assert from "node:assert/strict";
import fc from "fast-check";
import { concat } from "../../../lib/bytes/concat.ts";
import { PostcardWriter } from "../../../lib/bytes/postcard.ts";
import { encodeHints, encodeHintsRecord } from "../../../lib/images/pipeline/encode_hints.ts";
import type { Hint } from "../../../lib/images/pipeline/hints.ts";
import { decodeDeviceProfile } from "../../../lib/profiles/boot/decode_device_profile.ts";
import { encodeBootProfile } from "../../../lib/profiles/boot/encode_boot_profile.ts";
import { parseChannel } from "../../../lib/profiles/boot/parse_channel.ts";
import { ofKind } from "../../support/expect_kind.ts";
import { refusedOf } from "../../images/pipeline/hostile_bytes.ts";
import { bootProfiles } from "./arbitrary_boot_profile.ts";

const ascii = (text: string) => new TextEncoder().encode(text);
/** From the format's description, computed apart from this code. */
const DEVICE = Uint8Array.fromHex(
  "46424f4f444556500000076465762d6f6e65000671636f6d2f7801d1318da003010108" +
    "73657269616c6e6f0453364d5102802000018080020000020000",
);
const [FIRST, SECOND] = fc.sample(bootProfiles, { numRuns: 2, seed: 20 });
const BOOT = encodeBootProfile({ ...FIRST!, id: "one" });
const OTHER = encodeBootProfile({ ...SECOND!, id: "two" });
const digest: Hint = { kind: "content-digest", digest: `sha512:${"a".repeat(128)}`, sizeBytes: 1 };
const HINTS = encodeHintsRecord(new Map([["xz{}", [digest]]]));

interface IndexEntry {
  tag: number;
  offset: number;
  size: number;
  id?: string;
}

function index(entries: readonly IndexEntry[]): Uint8Array {
  const writer = new PostcardWriter();
  writer.list(entries, ({ tag, offset, size, id }) => {
    writer.varint(tag);
    writer.varint(offset);
    writer.varint(size);
    if (id !== undefined) return writer.string(id);
    writer.varint(18);
    writer.varint(size - 18);
    writer.list(["xz{}"], (text) => writer.string(text));
  });
  const payload = writer.finish();
  return concat([ascii("FBCHIDX0"), Uint8Array.of(0, 0, payload.length, 0, 0, 0), payload]);
}

const ENTRIES: IndexEntry[] = [
  { tag: 1, offset: 0, size: DEVICE.length, id: "dev-one" },
  { tag: 0, offset: DEVICE.length, size: BOOT.length, id: "one" },
  { tag: 2, offset: DEVICE.length + BOOT.length, size: HINTS.length },
];
const RECORDS = concat([DEVICE, BOOT, HINTS]);

Deno.test("decodeDeviceProfile() reads upstream's record", () => {
  assert.equal(DEVICE.length, 61);
  const { id, profile, sizeBytes } = decodeDeviceProfile(concat([DEVICE, Uint8Array.of(1)]));
  assert.deepEqual([id, sizeBytes], ["dev-one", 61]);
  assert.deepEqual(profile!.match, [{ vendorId: 0x18d1, productId: 0xd00d }]);
  assert.deepEqual(profile!.probe, [{ type: "starts-with", name: "serialno", value: "S6MQ" }]);
  assert.equal(profile!.devicetreeName, "qcom/x");
  const { headerVersion, pageSizeBytes, addresses, kernelEncoding } = profile!.bootImage;
  assert.deepEqual(
    [headerVersion, pageSizeBytes, addresses.kernel, kernelEncoding],
    [2, 4096, 0x8000, "image.gz"],
  );
});

Deno.test("decodeDeviceProfile() says why a whole record cannot be used", () => {
  const lz4 = DEVICE.slice();
  lz4[58] = 4;
  const { id, profile, problem, sizeBytes } = decodeDeviceProfile(lz4);
  assert.deepEqual([id, profile, sizeBytes], ["dev-one", undefined, 61]);
  assert.match(problem!, /encoding.*lz4/);
});

Deno.test("parseChannel() reads records in any order, up to the artifact", () => {
  const channel = parseChannel(concat([HINTS, BOOT, DEVICE, OTHER, ascii("EROFS image")]));
  assert.deepEqual(channel.records.map(({ kind }) => kind), [
    ...["pipeline-hints", "boot-profile", "device-profile", "boot-profile"],
  ]);
  assert.deepEqual(channel.bootProfiles.map(({ id }) => id), ["one", "two"]);
  assert.deepEqual(channel.deviceProfiles.map(({ id }) => id), ["dev-one"]);
  assert.deepEqual(channel.hints, new Map([["xz{}", [digest]]]));
  assert.equal(channel.headBytes, HINTS.length + BOOT.length + DEVICE.length + OTHER.length);
  assert.equal(channel.isIndexed, false);
});

Deno.test("parseChannel() reads hints without a record, as they once stood behind a profile", () => {
  const hashes: Hint = {
    kind: "block-hashes",
    blockSizeBytes: 1,
    sizeBytes: 0,
    hashes: new Uint8Array(),
  };
  for (const list of [[digest], [digest, hashes]]) {
    const hints = new Map([["xz{}", list]]);
    const channel = parseChannel(concat([BOOT, encodeHints(hints), OTHER, ascii("image")]));
    assert.deepEqual(channel.hints, hints);
    assert.deepEqual(channel.bootProfiles.map(({ id }) => id), ["one", "two"]);
  }
});

Deno.test("parseChannel() holds the index against the records", () => {
  const whole = concat([index(ENTRIES), RECORDS]);
  const channel = parseChannel(whole);
  assert.deepEqual([channel.isIndexed, channel.headBytes], [true, whole.length]);
  const wrong: IndexEntry[][] = [
    ENTRIES.slice(1),
    [...ENTRIES, ENTRIES[0]!],
    [{ ...ENTRIES[0]!, id: "dev-two" }, ...ENTRIES.slice(1)],
    [{ ...ENTRIES[0]!, offset: 1 }, ...ENTRIES.slice(1)],
    [{ ...ENTRIES[0]!, size: 60 }, ...ENTRIES.slice(1)],
    [{ ...ENTRIES[0]!, tag: 0 }, ...ENTRIES.slice(1)],
  ];
  for (const entries of wrong) {
    assert.throws(
      () => parseChannel(concat([index(entries), RECORDS])),
      ofKind("corrupt", /index/),
    );
  }
  assert.throws(() => parseChannel(index([])), ofKind("corrupt", /empty/));
});

Deno.test("parseChannel() refuses what is no channel, broken records and doubled hints", () => {
  assert.throws(() => parseChannel(ascii("id: a\n")), ofKind("unsupported", /bootprofile create/));
  assert.throws(() => parseChannel(new Uint8Array()), ofKind("unsupported"));
  const cut = concat([BOOT, OTHER.subarray(0, -1)]);
  assert.throws(() => parseChannel(cut), ofKind("corrupt", new RegExp(`at byte ${BOOT.length}`)));
  assert.throws(() => parseChannel(concat([HINTS, HINTS])), ofKind("corrupt", /two records/));
  const many = concat(Array(129).fill(DEVICE));
  assert.throws(() => parseChannel(many), ofKind("limit", /128/));
});

Deno.test("parseChannel() ends typed on damaged and random bytes", () => {
  const valid = [concat([index(ENTRIES), RECORDS]), RECORDS, concat([BOOT, OTHER, HINTS]), DEVICE];
  const refused = refusedOf(valid, parseChannel, 2500, 21);
  assert.ok(refused > 1000 && refused < 2500, `${refused} refused`);
});
