import assert from "node:assert/strict";
import { compareReleases } from "../../../lib/kernel/root_kernel/compare_releases.ts";

Deno.test("compareReleases() puts releases of distributions in their order", () => {
  const ordered = [
    "5.10.0",
    "6.1.0-9-amd64",
    "6.1.0-10-amd64",
    "6.6.9-0-lts",
    "6.6.30-0-lts",
    "6.12.0~exp1",
    "6.12.0-rc1",
    "6.12.0~rc3-1",
    "6.12.0-rc10",
    "6.12.0",
    "6.12.0-lab",
    "6.12.9+deb12-amd64",
    "6.12.117+deb12-amd64",
    "6.12.117+deb13-amd64",
    "6.100.0",
    "61.0.0",
  ];
  for (const [i, a] of ordered.entries()) {
    for (const [j, b] of ordered.entries()) {
      assert.equal(Math.sign(compareReleases(a, b)), Math.sign(i - j), `${a} and ${b}`);
    }
  }
});

Deno.test("compareReleases() goes by value, however long the number", () => {
  assert.ok(compareReleases("6.20260101000000000002", "6.20260101000000000001") > 0);
  assert.equal(compareReleases("6.012", "6.12"), 0);
  assert.equal(compareReleases("", ""), 0);
});
