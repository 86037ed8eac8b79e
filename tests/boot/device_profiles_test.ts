import assert from "node:assert/strict";
import { deviceProfiles } from "../../lib/boot/device_profiles.ts";
import { loadBundledProfiles } from "../../lib/cli/load_profiles.ts";
import { ofKind } from "../support/expect_kind.ts";

Deno.test("deviceProfiles() adds a channel's under ids of their own, and takes the one that is named", async () => {
  const known = await loadBundledProfiles();
  const [first] = known;
  const added = { ...first!, id: "from-channel" };
  const claimed = { ...first!, displayName: "claims the id of a profile that is there" };
  const input = { deviceProfiles: [added, claimed] };
  const all = deviceProfiles(known, input, {});
  assert.deepEqual(all, [...known, added]);
  assert.deepEqual(deviceProfiles(known, input, { deviceProfile: "from-channel" }), [added]);
  assert.deepEqual(deviceProfiles(known, input, { deviceProfile: first!.id }), [first]);
  assert.throws(
    () => deviceProfiles(known, input, { deviceProfile: "x" }),
    ofKind("usage", /from-channel/),
  );
});
