import assert from "node:assert/strict";
import { nearMatches } from "../../lib/bytes/near_matches.ts";

const NAMES = ["usb_f_fs", "usb_f_acm", "erofs", "ext4", "dwc3_qcom", "dwc3"];

Deno.test("nearMatches() finds misspellings and parts, best first", () => {
  assert.deepEqual(nearMatches("erofz", NAMES), ["erofs"]);
  assert.equal(nearMatches("usb_f_f", NAMES)[0], "usb_f_fs");
  assert.deepEqual(nearMatches("dwc3_qcom2", NAMES), ["dwc3_qcom", "dwc3"]);
});

Deno.test("nearMatches() is empty when nothing is near", () => {
  assert.deepEqual(nearMatches("phy_snps_femto", NAMES), []);
});
