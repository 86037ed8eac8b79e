import assert from "node:assert/strict";
import { runDepmod } from "../../lib/kernel/depmod/run_depmod.ts";
import { verifyModules } from "../../lib/kernel/verify_modules.ts";
import { moduleElf, RELEASE } from "./fixture_tree.ts";
import { MemoryTree } from "./memory_tree.ts";

const DIRECTORY = `lib/modules/${RELEASE}`;
type Files = Record<string, string | Uint8Array>;

const MODULES: Files = {
  "kernel/a.ko": moduleElf({ depends: "b_b", aliases: ["fs-a"], softdep: "pre: c" }),
  "kernel/b-b.ko": moduleElf(),
  "kernel/c.ko": moduleElf(),
};
const below = (files: Files): Files =>
  Object.fromEntries(Object.entries(files).map(([path, data]) => [`${DIRECTORY}/${path}`, data]));

/** A directory whose indexes fit `indexed`, with other files put over it. */
async function problems(over: Files, gone: string[] = [], indexed = MODULES): Promise<string[]> {
  const indexes = Object.fromEntries(await runDepmod(new MemoryTree(below(indexed)), DIRECTORY));
  const files: Files = { ...indexed, ...indexes, ...over };
  for (const path of gone) delete files[path];
  const found = await verifyModules(new MemoryTree(below(files)), DIRECTORY, RELEASE);
  return found.map(({ path, text }) => `${path}: ${text}`);
}
const assertSays = (found: string[], ...says: RegExp[]) => {
  for (const say of says) assert.ok(found.some((line) => say.test(line)), `${say}\n${found}`);
};

Deno.test("verifyModules() finds nothing in a directory that fits its indexes", async () => {
  assert.deepEqual(await problems({}), []);
});

Deno.test("verifyModules() names files that are missing, unlisted or there twice", async () => {
  assertSays(
    await problems({ "kernel/new.ko": moduleElf(), "extra/c.ko": moduleElf() }, ["kernel/b-b.ko"]),
    /^kernel\/b-b\.ko: .*no such file/,
    /^kernel\/a\.ko: it needs module "b_b"/,
    /^kernel\/new\.ko: modules.dep does not list it/,
    /^kernel\/c\.ko: "extra\/c.ko" is the same module/,
  );
});

Deno.test("verifyModules() names modules of another release and damaged ones", async () => {
  const other = moduleElf({ vermagic: "6.1.0 SMP " });
  assert.deepEqual(await problems({ "kernel/c.ko": other }), [
    `kernel/c.ko: it is built for "6.1.0", not for "${RELEASE}"`,
  ]);
  const damaged = moduleElf();
  damaged[0]! ^= 1;
  assertSays(await problems({ "kernel/c.ko": damaged }), /^kernel\/c\.ko: /);
});

Deno.test("verifyModules() goes on after a damaged module, and blames nobody else for it", async () => {
  const damaged = moduleElf();
  damaged[0]! ^= 1;
  const other = moduleElf({ vermagic: "6.1.0 SMP " });
  const indexed = { ...MODULES, "kernel/d.ko": moduleElf(), "kernel/e.ko": moduleElf() };
  const over = { "kernel/a.ko": damaged, "kernel/d.ko": damaged, "kernel/e.ko": other };
  const found = await problems(over, [], indexed);
  assertSays(found, /^kernel\/a\.ko: .*/, /^kernel\/d\.ko: /, /^kernel\/e\.ko: .*"6\.1\.0"/);
  assert.equal(found.length, 3, found.join("\n"));
});

Deno.test("verifyModules() compares the binary indexes with the texts, byte for byte", async () => {
  const fresh = await runDepmod(new MemoryTree(below(MODULES)), DIRECTORY);
  let seen = 0;
  for (const name of ["modules.dep.bin", "modules.alias.bin"]) {
    const whole = fresh.get(name)!;
    for (let at = 0; at < whole.length; at++) {
      const bytes = whole.slice();
      bytes[at]! ^= 1 << (at % 7);
      const found = await problems({ [name]: bytes });
      if (found.some((line) => line.startsWith(`${name}: `))) seen++;
      // The minor version, priorities and children in a character's place that has none say nothing.
      else assert.deepEqual(found, []);
      await problems({ [name]: whole.subarray(0, at) });
    }
  }
  assert.ok(seen > 100, String(seen));
});

Deno.test("verifyModules() compares the indexes with what the modules say", async () => {
  const found = await problems({
    "modules.dep": "kernel/a.ko:\nkernel/b-b.ko: kernel/c.ko\nkernel/c.ko:\n",
    "modules.alias": "alias fs-z c\n",
  }, ["modules.dep.bin", "modules.softdep"]);
  assertSays(
    found,
    /^kernel\/a\.ko: modules.dep does not say that it needs kernel\/b-b\.ko/,
    /^kernel\/b-b\.ko: .*kernel\/c\.ko, wrongly/,
    /^modules\.alias: 1 lines are not there, first "alias fs[-_]a a"/,
    /^modules\.alias: 1 lines are of no module/,
    /^modules\.dep\.bin: it is not there/,
    /^modules\.softdep: it is not there/,
  );
});

Deno.test("verifyModules() tells modules that need each other", async () => {
  const circle = {
    "kernel/a.ko": moduleElf({ depends: "b_b" }),
    "kernel/b-b.ko": moduleElf({ depends: "a" }),
  };
  assertSays(await problems(circle, ["kernel/none"]), /^modules\.dep: .*/);
});
