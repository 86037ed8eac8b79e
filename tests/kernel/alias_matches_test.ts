import assert from "node:assert/strict";
import fc from "fast-check";
import { aliasMatches } from "../../lib/kernel/alias_matches.ts";
import { moduleName } from "../../lib/kernel/module_name.ts";

Deno.test("aliasMatches() follows fnmatch for stars, question marks and brackets", () => {
  const yes = [
    ["crypto_crc32c", "crypto_crc32c"],
    ["usb:v*p*d*dc*dsc*dp*ic09isc*ip*in*", "usb:v1234p0001d0100dc09dsc00dp00ic09isc00ip00in00"],
    ["a*b*c", "aXXbYYbZZc"],
    ["*", ""],
    ["x?z", "xyz"],
    ["v[0-9a]w", "v7w"],
    ["v[!0-9]w", "vxw"],
    ["a\\*b", "a*b"],
  ];
  const no = [["a*b", "ab_"], ["x?z", "xz"], ["v[0-9]w", "vxw"], ["v[!0-9]w", "v7w"], ["", "a"]];
  for (const [pattern, name] of yes) assert.ok(aliasMatches(pattern!, name!), `${pattern} ${name}`);
  for (const [pattern, name] of no) assert.ok(!aliasMatches(pattern!, name!), `${pattern} ${name}`);
});

Deno.test("aliasMatches() agrees with the equal regular expression", () => {
  const text = fc.array(fc.constantFrom("a", "b"), { maxLength: 10 }).map((l) => l.join(""));
  const pattern = fc.array(fc.constantFrom("a", "b", "*", "?"), { maxLength: 8 })
    .map((l) => l.join(""));
  fc.assert(fc.property(pattern, text, (p, t) => {
    const expression = new RegExp(`^${p.replaceAll("?", ".").replaceAll("*", ".*")}$`);
    assert.equal(aliasMatches(p, t), expression.test(t));
  }));
});

Deno.test("aliasMatches() stays quick on a pattern of stars", () => {
  const start = performance.now();
  assert.ok(!aliasMatches("*a".repeat(200) + "b", "a".repeat(2000)));
  assert.ok(performance.now() - start < 1000);
});

Deno.test("moduleName() folds names, files and paths to one form", () => {
  for (const text of ["usb-common", "usb_common", "kernel/x/usb-common.ko", "usb-common.ko.zst"]) {
    assert.equal(moduleName(text), "usb_common");
  }
});
