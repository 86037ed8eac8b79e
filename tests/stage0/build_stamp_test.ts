import assert from "node:assert/strict";
import { readCpio } from "../../lib/filesystems/cpio/read_cpio.ts";
import { FastboopError } from "../../lib/errors/errors.ts";
import { type BuildStamp, encodeStamp, parseStamp } from "../../lib/stage0/build_stamp.ts";
import { buildInitramfs } from "../../lib/stage0/initramfs.ts";
import { type InitramfsInputs, makeModulesStamp, makeStamp } from "../../lib/stage0/make_stamp.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const DIGEST = "ab".repeat(32);

const INPUTS: InitramfsInputs = {
  release: "6.12.3-test",
  arch: "aarch64",
  profile: "oneplus-fajita",
  modulesDigest: DIGEST,
  kernel: bytesOf("kernel"),
  init: bytesOf("init"),
  settings: { rootfs: "erofs", modulesRelease: "6.12.3-test", serial: "S1", vendorId: 1 },
  loads: [{ fileName: "erofs.ko", optional: false }],
  firmware: [{ path: "lib/firmware/a.bin", mode: 0o100644, data: bytesOf("fw") }],
  dtb: bytesOf("dtb"),
  cmdline: "console=tty0",
};

Deno.test("encodeStamp() writes one line, the keys in one order, no time of day", () => {
  const stamp = makeStamp({ ...INPUTS, sourceDateEpoch: "1700000000" });
  const line = textOf(encodeStamp(stamp));
  assert.match(line, /^\{"schema":2,"tool":"fastboop [0-9.]+","release":"6\.12\.3-test",/);
  assert.match(line, /,"sourceDateEpoch":1700000000\}\n$/);
  assert.deepEqual(Object.keys(JSON.parse(line)), [
    ...["schema", "tool", "release", "arch", "profile", "inputs", "sourceDateEpoch"],
  ]);
  assert.deepEqual(Object.keys(JSON.parse(line).inputs), [
    ...["kernel", "modules", "stage0", "settings", "loads", "firmware", "dtb", "cmdline"],
  ]);
  const shuffled = { ...stamp, inputs: Object.fromEntries(Object.entries(stamp.inputs).reverse()) };
  assert.equal(textOf(encodeStamp(shuffled as BuildStamp)), line);
  assert.deepEqual(parseStamp(encodeStamp(stamp)), stamp);
});

Deno.test("makeStamp() changes the one input that changed, and no other", () => {
  const before = makeStamp(INPUTS);
  const changed = (change: Partial<InitramfsInputs>) => {
    const { inputs } = makeStamp({ ...INPUTS, ...change });
    return Object.keys(inputs).filter((key) =>
      inputs[key as keyof typeof inputs] !== before.inputs[key as keyof typeof inputs]
    );
  };
  assert.deepEqual(changed({}), []);
  assert.deepEqual(changed({ kernel: bytesOf("kernal") }), ["kernel"]);
  assert.deepEqual(changed({ modulesDigest: "cd".repeat(32) }), ["modules"]);
  assert.deepEqual(changed({ init: bytesOf("other") }), ["stage0"]);
  assert.deepEqual(changed({ dtb: bytesOf("dtc") }), ["dtb"]);
  assert.deepEqual(changed({ cmdline: "console=tty1" }), ["cmdline"]);
  const [erofs] = INPUTS.loads;
  assert.deepEqual(changed({ loads: [erofs!, erofs!] }), ["loads"]);
  assert.deepEqual(changed({ loads: [{ ...erofs!, optional: true }] }), ["loads"]);
  const [member] = INPUTS.firmware;
  assert.deepEqual(changed({ firmware: [{ ...member!, data: bytesOf("fX") }] }), ["firmware"]);
  assert.deepEqual(changed({ firmware: [{ ...member!, path: "lib/firmware/b" }] }), ["firmware"]);
  assert.equal(makeStamp({ ...INPUTS, firmware: [] }).inputs.firmware, undefined);
  assert.deepEqual(changed({ settings: { ...INPUTS.settings, rootfs: "ext4" } }), ["settings"]);
  // Who the phone is, is no part of what was built.
  assert.deepEqual(changed({ settings: { ...INPUTS.settings, serial: "S2", productId: 7 } }), []);
});

Deno.test("makeModulesStamp() is the same whatever kernel image goes with the modules", () => {
  const stamp = makeModulesStamp({ release: "6.12.3", arch: "x86_64", modulesDigest: DIGEST });
  assert.deepEqual(stamp.inputs, { modules: DIGEST });
  assert.deepEqual(parseStamp(encodeStamp(stamp)), stamp);
});

Deno.test("parseStamp() refuses what is none, and passes over what it does not know", () => {
  const good = JSON.parse(textOf(encodeStamp(makeStamp(INPUTS))));
  const refused = (value: unknown, kind: string) =>
    assert.throws(
      () => parseStamp(bytesOf(JSON.stringify(value))),
      { kind },
      JSON.stringify(value),
    );
  refused(null, "corrupt");
  refused([], "unsupported");
  refused({ ...good, schema: 1 }, "unsupported");
  refused({ ...good, release: "\u001b[31m" }, "corrupt");
  refused({ ...good, release: 5 }, "corrupt");
  refused({ ...good, inputs: undefined }, "corrupt");
  refused({ ...good, inputs: { kernel: "short" } }, "corrupt");
  refused({ ...good, sourceDateEpoch: -1 }, "corrupt");
  assert.throws(() => parseStamp(new Uint8Array(5000)), { kind: "limit" });
  assert.throws(() => parseStamp(bytesOf("{")), { kind: "corrupt" });
  const later = { ...good, more: 1, inputs: { ...good.inputs, radio: "?", __proto__: 1 } };
  assert.deepEqual(Object.keys(parseStamp(bytesOf(JSON.stringify(later))).inputs).length, 8);
});

Deno.test("parseStamp() ends in a stamp or a typed error for 5,000 flipped bytes", () => {
  const good = encodeStamp(makeStamp(INPUTS));
  for (let i = 0; i < 5000; i++) {
    const bytes = good.slice();
    bytes[(i * 7919) % bytes.length]! ^= 1 << (i % 8);
    try {
      parseStamp(bytes);
    } catch (error) {
      assert.ok(error instanceof FastboopError, String(error));
    }
  }
});

Deno.test("buildInitramfs() carries the stamp, and the same input gives the same bytes", () => {
  const stamp = makeStamp(INPUTS);
  const parts = { init: INPUTS.init, settings: INPUTS.settings, modules: [], stamp };
  const archive = buildInitramfs(parts);
  assert.deepEqual(archive, buildInitramfs({ ...parts, stamp: makeStamp({ ...INPUTS }) }));
  const member = readCpio(archive).members.find(({ path }) => path === "etc/fastboop-build-id");
  assert.deepEqual(parseStamp(member!.data), stamp);
  assert.equal(member!.mode, 0o100644);
});
