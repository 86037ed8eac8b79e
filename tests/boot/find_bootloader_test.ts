import assert from "node:assert/strict";
import { findBootloader } from "../../lib/boot/find_bootloader.ts";
import { loadBundledProfiles } from "../../lib/cli/load_profiles.ts";
import { ofKind } from "../support/expect_kind.ts";
import { type BootloaderTraits, FakeBootloader } from "../support/fake_bootloader.ts";
import { fakeDevice, FakeUsbBus, FakeUsbLink } from "../support/fake_usb.ts";
import { RecordedProgress } from "./recorded_progress.ts";

const profiles = await loadBundledProfiles();
const virtual = profiles.find(({ id }) => id === "virtual-x86_64")!;

/** A phone of `ids` that answers as `traits` say. */
function phone(traits: BootloaderTraits, ids = virtual.match[0]!, path = "1-1") {
  const bootloader = new FakeBootloader(traits);
  const link = new FakeUsbLink({
    transferOut: (_endpoint, data) => bootloader.receive(data),
    transferIn: () => bootloader.next(),
  }, { ...ids, path, serial: `S-${path}` });
  return { bootloader, link, device: fakeDevice(link) };
}

function find(bus: FakeUsbBus, chosen = profiles, waitMs?: number) {
  const progress = new RecordedProgress();
  const signal = AbortSignal.timeout(10_000);
  const found = findBootloader(bus, {
    ...{ profiles: chosen, progress, signal },
    request: { waitMs },
  });
  return { found, progress };
}

Deno.test("findBootloader() asks the phone which profile fits", async () => {
  const { link, device } = phone({ variables: { product: "fastboop-virtual-x86_64" } });
  const { found, progress } = find(new FakeUsbBus(() => [device]));
  const { profile, link: got } = await found;
  assert.equal(profile.id, "virtual-x86_64");
  assert.equal(got, link);
  assert.ok(!link.disposed);
  assert.deepEqual(progress.lines.at(-1), "note Virtual phone, x86_64, serial S-1-1, at 1-1");
});

Deno.test("findBootloader() asks nothing when the profile was named", async () => {
  const { bootloader, device } = phone({});
  assert.equal((await find(new FakeUsbBus(() => [device]), [virtual]).found).profile, virtual);
  assert.deepEqual(bootloader.commands, []);
});

Deno.test("findBootloader() ends at once when two profiles fit", async () => {
  const twin = { ...virtual, id: "virtual-twin" };
  const { link, device } = phone({ variables: { product: "fastboop-virtual-x86_64" } });
  const { found } = find(new FakeUsbBus(() => [device]), [virtual, twin]);
  await assert.rejects(
    found,
    ofKind("usage", /virtual-x86_64[^]*virtual-twin[^]*--device-profile/),
  );
  assert.ok(link.disposed);
});

Deno.test("findBootloader() ends at once when the bootloader answers nonsense", async () => {
  const { device } = phone({ override: () => ["what?"] });
  await assert.rejects(find(new FakeUsbBus(() => [device])).found, ofKind("refused", /what\?/));
});

Deno.test("findBootloader() waits on beside a phone it does not know", async () => {
  const stranger = phone({ variables: { product: "toaster" } });
  const right = phone(
    { variables: { product: "fastboop-virtual-x86_64" } },
    virtual.match[0]!,
    "1-2",
  );
  const bus = new FakeUsbBus((round) =>
    round === 0 ? [stranger.device] : [stranger.device, right.device]
  );
  const { found, progress } = find(bus);
  assert.equal((await found).link, right.link);
  assert.equal(progress.count(/1-1: no profile fits it/), 1);
});

Deno.test("findBootloader() says why nothing is seen, and gives up in time", async () => {
  const bus = new FakeUsbBus(() => []);
  bus.emptyBecause = "the server is asleep";
  const { found, progress } = find(bus, profiles, 1);
  await assert.rejects(found, ofKind("device", /the server is asleep[^]*Plug/));
  assert.equal(progress.count(/note the server is asleep/), 1);
});

Deno.test("findBootloader() does not wait for a profile without USB ids", async () => {
  const { found } = find(new FakeUsbBus(() => []), [{ ...virtual, match: [] }]);
  await assert.rejects(found, ofKind("usage", /virtual-x86_64 matches no USB ids/));
});
