/** Which profile a bootloader's answers lead to. */
import assert from "node:assert/strict";
import { loadBundledProfiles } from "../../lib/cli/load_profiles.ts";
import { type DeviceProfile, type ProbeStep } from "../../lib/profiles/device_profile.ts";
import { FastboopError } from "../../lib/errors/errors.ts";
import { matchProfiles } from "../../lib/profiles/match.ts";
import { Prober } from "../../lib/profiles/probe.ts";
import { profileById, selectProfile } from "../../lib/profiles/select.ts";

const bundled = await loadBundledProfiles();
const QUALCOMM = { vendorId: 0x18d1, productId: 0xd00d };
const GOOGLE = { vendorId: 0x18d1, productId: 0x4ee0 };

/** A bootloader that says FAIL to what it does not know. */
const phone = (values: Record<string, string>) => (name: string) => Promise.resolve(values[name]);

function withProbe(probe: ProbeStep[]): DeviceProfile {
  return { ...bundled[0]!, probe };
}

const CHOICES: [string, typeof QUALCOMM, Record<string, string>][] = [
  ["arrow-db410c", QUALCOMM, { product: "MSM8916", variant: "SBC eMMC" }],
  ["google-sargo", GOOGLE, { product: "sargo" }],
  ["samsung-gt510", QUALCOMM, {
    "product": "lk2nd-msm8916",
    "lk2nd:compatible": "samsung,gt510wifi",
  }],
  ["shift-axolotl", QUALCOMM, { serialno: "S6MQ123", product: "sdm845" }],
  ["virtual-aarch64", GOOGLE, { product: "fastboop-virtual-aarch64" }],
  ["virtual-x86_64", GOOGLE, { product: "fastboop-virtual-x86_64" }],
];
for (const [id, ids, values] of CHOICES) {
  Deno.test(`selectProfile() finds ${id}`, async () => {
    assert.equal((await selectProfile(bundled, ids, phone(values)))?.id, id);
  });
}

Deno.test("selectProfile() is undefined when nothing fits", async () => {
  assert.equal(await selectProfile(bundled, QUALCOMM, phone({ product: "other" })), undefined);
  assert.equal(await selectProfile(bundled, QUALCOMM, phone({ product: "sargo" })), undefined);
  const never = () => Promise.reject(new Error("nobody is to be asked"));
  assert.equal(await selectProfile(bundled, { vendorId: 1, productId: 2 }, never), undefined);
});

const TWINS: [string, string, Record<string, string>][] = [
  ["oneplus-enchilada", "oneplus-fajita", { "product": "sdm845", "partition-type:op2": "raw" }],
  ["xiaomi-beryllium-ebbg", "xiaomi-beryllium-tianma", { product: "beryllium" }],
];
for (const [first, second, values] of TWINS) {
  Deno.test(`selectProfile() cannot tell ${first} from ${second}, and says so`, async () => {
    await assert.rejects(selectProfile(bundled, QUALCOMM, phone(values)), (error) => {
      assert.ok(error instanceof FastboopError);
      assert.equal(error.kind, "usage");
      assert.ok(error.state.includes(first) && error.state.includes(second), error.state);
      assert.equal(error.hint, `Pass --device-profile with one of ${first}, ${second}`);
      return true;
    });
  });
}

Deno.test("profileById() finds one or lists them all", () => {
  assert.equal(profileById(bundled, "shift-axolotl").displayName, "SHIFT6mq");
  assert.throws(() => profileById(bundled, "x"), {
    kind: "usage",
    hint: /google-sargo, oneplus-en/,
  });
});

Deno.test("matchProfiles() goes by both ids", () => {
  assert.deepEqual(matchProfiles(bundled, GOOGLE).map(({ id }) => id), [
    "google-sargo",
    "virtual-aarch64",
    "virtual-x86_64",
  ]);
  assert.deepEqual(matchProfiles(bundled, { vendorId: 0x18d1, productId: 1 }), []);
});

/** [value the bootloader gives, [equals S, starts-with S, not-equals S, exists, not-exists]]. */
const TABLE: [string | undefined, boolean[]][] = [
  ["S", [true, true, false, true, false]],
  ["Sx", [false, true, true, true, false]],
  ["s", [false, false, true, true, false]],
  [" S", [false, false, true, true, false]],
  ["", [false, false, true, false, true]],
  ["  ", [false, false, true, false, true]],
  ["unknown", [false, false, true, false, true]],
  ["UnKnown ", [false, false, true, false, true]],
  [undefined, [false, false, true, false, true]],
];
for (const [value, expected] of TABLE) {
  Deno.test(`Prober.fits() judges the value ${JSON.stringify(value)}`, async () => {
    const steps: ProbeStep[] = [
      { type: "equals", name: "v", value: "S" },
      { type: "starts-with", name: "v", value: "S" },
      { type: "not-equals", name: "v", value: "S" },
      { type: "exists", name: "v" },
      { type: "not-exists", name: "v" },
    ];
    const prober = new Prober(() => Promise.resolve(value));
    const got = await Promise.all(steps.map((step) => prober.fits(withProbe([step]))));
    assert.deepEqual(got, expected);
  });
}

Deno.test("Prober asks each variable once, FAIL included, and stops at the first miss", async () => {
  const asked: string[] = [];
  const prober = new Prober((name) => {
    asked.push(name);
    return Promise.resolve(name === "a" ? "1" : undefined);
  });
  const a: ProbeStep = { type: "exists", name: "a" };
  const b: ProbeStep = { type: "exists", name: "b" };
  const c: ProbeStep = { type: "exists", name: "c" };
  assert.equal(await prober.fits(withProbe([a, b, c])), false);
  assert.equal(await prober.fits(withProbe([b])), false);
  assert.equal(await prober.fits(withProbe([a])), true);
  assert.deepEqual(asked, ["a", "b"]);
});

Deno.test("Prober passes a lost phone on and does not remember it", async () => {
  let first = true;
  const prober = new Prober(() => {
    if (!first) return Promise.resolve("1");
    first = false;
    return Promise.reject(new FastboopError({ kind: "device", action: "Ask", state: "gone" }));
  });
  const profile = withProbe([{ type: "exists", name: "a" }]);
  await assert.rejects(prober.fits(profile), { kind: "device" });
  assert.equal(await prober.fits(profile), true);
});
