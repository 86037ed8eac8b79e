import assert from "node:assert/strict";
import { describeChain, moduleChains } from "../../lib/kernel/module_chains.ts";
import type { ModuleIndex } from "../../lib/kernel/module_index.ts";
import { describeReason } from "../../lib/kernel/module_reason.ts";
import { moduleClosure } from "../../lib/kernel/module_closure.ts";
import { resolveModules } from "../../lib/kernel/resolve_modules.ts";

/** r8169 and erofs as Debian's 6.12 has them. */
const DEPENDENCIES: Record<string, string[]> = {
  "net/phy/libphy.ko": [],
  "net/phy/mdio_devres.ko": ["libphy"],
  "net/phy/realtek.ko": ["libphy"],
  "net/r8169.ko": ["libphy", "mdio_devres"],
  "fs/erofs/erofs.ko": ["libcrc32c"],
  "lib/libcrc32c.ko": [],
  "crypto/crc32c_generic.ko": [],
  "arch/crc32c-intel.ko": [],
  "usb/phy-qcom-a.ko": [],
  "usb/phy-qcom-b.ko": [],
};
const nameOf = (path: string) => path.replace(/.*\//, "").replace(".ko", "").replaceAll("-", "_");

const INDEX: ModuleIndex = {
  directory: "lib/modules/6.12",
  modules: new Map(
    Object.entries(DEPENDENCIES).map(([path, dependencies]) => {
      const name = nameOf(path);
      return [name, { name, path, dependencies }];
    }),
  ),
  softdeps: new Map([
    ["r8169", { pre: ["realtek"], post: [] }],
    ["libcrc32c", { pre: ["crc32c"], post: ["configfs"] }],
  ]),
  aliases: [
    { pattern: "crc32c", module: "crc32c_generic" },
    { pattern: "crc32c", module: "crc32c_intel" },
    { pattern: "pci:v000010ECd00008168sv*", module: "r8169" },
    { pattern: "of:N*T*Cqcom,a-phy", module: "phy_qcom_a" },
  ],
  builtin: new Set(["configfs"]),
  builtinAliases: [],
  origin: "depmod",
};

const reasonsOf = (words: string[]) =>
  Object.fromEntries(
    resolveModules(INDEX, words.map((word) => ({ word }))).modules
      .map(({ name, reasons }) => [name, reasons.map(describeReason)]),
  );

Deno.test("resolveModules() tells why each module of r8169 is there, in a loadable order", () => {
  const reasons = reasonsOf(["r8169"]);
  assert.deepEqual(reasons, {
    libphy: ["hard dependency of mdio_devres", "hard dependency of realtek"],
    mdio_devres: ["hard dependency of r8169"],
    realtek: ["soft dependency (pre) of r8169"],
    r8169: ["requested"],
  });
  const order = Object.keys(reasons);
  assert.ok(order.indexOf("libphy") < order.indexOf("realtek"));
  assert.equal(order.at(-1), "r8169");
});

Deno.test("resolveModules() tells the alias behind a soft dependency and behind a request", () => {
  const reasons = reasonsOf(["erofs", "pci:v000010ECd00008168sv00001458"]);
  assert.deepEqual(reasons["crc32c_generic"], [
    "soft dependency (pre) of libcrc32c, alias crc32c",
  ]);
  assert.deepEqual(reasons["r8169"], [
    'requested, "pci:v000010ECd00008168sv00001458" by alias pci:v000010ECd00008168sv*',
  ]);
});

Deno.test("resolveModules() reports built-ins with the reason, and what is absent", () => {
  const { builtin, absent } = resolveModules(INDEX, [
    { word: "configfs" },
    { word: "erofs" },
    { word: "nowhere", set: "nic", optional: true },
  ]);
  assert.deepEqual(builtin.map(({ word, reason }) => `${word}: ${describeReason(reason)}`), [
    "configfs: requested",
    "configfs: soft dependency (post) of libcrc32c",
  ]);
  assert.deepEqual(absent, [{ word: "nowhere", set: "nic", optional: true }]);
});

Deno.test("resolveModules() expands globs over names with - and _ alike, then over aliases", () => {
  const names = (word: string) => resolveModules(INDEX, [{ word }]).modules.map((m) => m.name);
  assert.deepEqual(names("phy-qcom-*"), ["phy_qcom_a", "phy_qcom_b"]);
  assert.deepEqual(names("of:N*T*Cqcom,*"), ["phy_qcom_a"]);
  assert.deepEqual(names("config*"), []);
  assert.equal(resolveModules(INDEX, [{ word: "config*" }]).builtin.length, 1);
  assert.equal(resolveModules(INDEX, [{ word: "zzz*" }]).absent.length, 1);
});

Deno.test("resolveModules() marks what only optional requests and soft dependencies bring", () => {
  const { modules } = resolveModules(INDEX, [
    { word: "r8169" },
    { word: "erofs", optional: true },
    { word: "libphy", optional: true },
  ]);
  const optional = modules.filter((m) => m.optional).map((m) => m.name).sort();
  assert.deepEqual(optional, ["crc32c_generic", "crc32c_intel", "erofs", "libcrc32c", "realtek"]);
});

Deno.test("moduleChains() prints the way from what was requested, shortest first", () => {
  const resolution = resolveModules(INDEX, [{ word: "r8169" }, { word: "erofs" }]);
  assert.deepEqual(moduleChains(resolution, "crc32c_generic").map(describeChain), [
    "erofs (requested) -> libcrc32c (hard dependency of erofs) -> " +
    "crc32c_generic (soft dependency (pre) of libcrc32c, alias crc32c)",
  ]);
  assert.equal(moduleChains(resolution, "libphy").length, 2);
  assert.deepEqual(moduleChains(resolution, "phy_qcom_a"), []);
});

Deno.test("moduleChains() ends in circles and with very many ways", () => {
  const modules = new Map<string, { name: string; path: string; dependencies: string[] }>();
  const softdeps = new Map<string, { pre: string[]; post: string[] }>();
  for (let i = 0; i < 60; i++) {
    modules.set(`m${i}`, { name: `m${i}`, path: `m${i}.ko`, dependencies: [] });
    softdeps.set(`m${i}`, {
      pre: Array.from({ length: 60 }, (_, other) => `m${other}`),
      post: [],
    });
  }
  const resolution = resolveModules({ ...INDEX, modules, softdeps, aliases: [] }, [{ word: "m0" }]);
  const chains = moduleChains(resolution, "m59");
  assert.ok(chains.length >= 1 && chains.length <= 64);
  assert.equal(chains[0]!.length, 2);
});

Deno.test("resolveModules() takes weak dependencies only when it is told to, as optional ones", () => {
  const index = { ...INDEX, weakdeps: new Map([["erofs", ["r8169", "nowhere"]]]) };
  const names = (weak: boolean) =>
    resolveModules(index, [{ word: "erofs" }], { weak }).modules.map(({ name }) => name);
  assert.ok(!names(false).includes("r8169"), "modprobe leaves them alone");
  const all = names(true);
  // Before the module that may ask for them, with all that they need themselves.
  assert.ok(all.indexOf("r8169") < all.indexOf("erofs") && all.includes("realtek"), all.join(" "));
  const { modules } = resolveModules(index, [{ word: "erofs" }], { weak: true });
  const weak = modules.find(({ name }) => name === "r8169")!;
  assert.equal(weak.optional, true);
  assert.deepEqual(weak.reasons.map(describeReason), ["weak dependency of erofs"]);
  assert.ok(moduleClosure(index, ["erofs"]).some(({ name }) => name === "r8169"));
});

Deno.test("resolveModules() does not look for words of an index without end", () => {
  const aliases = Array.from({ length: 200_000 }, () => ({ pattern: "x", module: "r8169" }));
  const words = Array.from({ length: 100_000 }, (_, i) => `no_${i}`);
  const softdeps = new Map([["r8169", { pre: words, post: [] }]]);
  const resolve = () => resolveModules({ ...INDEX, aliases, softdeps }, [{ word: "r8169" }]);
  assert.throws(resolve, { kind: "limit" });
});
