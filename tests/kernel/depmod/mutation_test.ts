import assert from "node:assert/strict";
import { linkModules } from "../../../lib/kernel/depmod/link_modules.ts";
import { encodeFiles } from "../../../lib/kernel/depmod/encode_files.ts";
import { parseModuleFacts } from "../../../lib/kernel/depmod/module_facts.ts";
import { SymbolTable } from "../../../lib/kernel/depmod/symbol_table.ts";
import { FastboopError } from "../../../lib/errors/errors.ts";
import { elf } from "../fixture_tree.ts";
import { expectError } from "../expect_error.ts";
import { symbolModule } from "./symbol_module.ts";

const CASES = 20_000;
const SEED = 20261121;

/** mulberry32. */
function randomNumbers(seed: number): (below: number) => number {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 2 ** 32 * below);
  };
}

const WHOLE = [
  symbolModule({
    exports: ["fa", "fb"],
    crcs: true,
    modinfo: ["alias=a-[b-c]*", "softdep=pre: x"],
  }),
  symbolModule({ exports: ["fc"], needs: ["fa", "kernel"], versions: ["fa", "kernel"] }),
  symbolModule({ needs: ["fc", "fa"], weakNeeds: ["fb"], modinfo: ["depends=a,b"] }),
];

Deno.test(`parseModuleFacts() to encodeFiles() survive ${CASES} damaged modules`, () => {
  const random = randomNumbers(SEED);
  const outcomes = new Map<string, number>();
  for (let i = 0; i < CASES; i++) {
    const damaged = WHOLE.map((bytes) => mutate(bytes, random));
    const outcome = attempt(damaged, i);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  // A test that only ever saw one of them would prove nothing.
  assert.ok((outcomes.get("done") ?? 0) > CASES / 20, String([...outcomes]));
  assert.ok((outcomes.get("corrupt") ?? 0) > CASES / 20, String([...outcomes]));
});

function mutate(whole: Uint8Array, random: (below: number) => number): Uint8Array {
  const bytes = whole.slice();
  for (let flips = random(4); flips > 0; flips--) {
    const at = random(bytes.length);
    bytes[at] = [0, 0xff, 0x7f, random(256)][random(4)]!;
  }
  return random(10) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes;
}

function attempt(damaged: readonly Uint8Array[], number: number): string {
  try {
    const symbols = new SymbolTable();
    const modules = damaged.map((bytes, i) => ({
      name: "abc"[i]!,
      path: `${"abc"[i]}.ko`,
      facts: parseModuleFacts(bytes, `${"abc"[i]}.ko`, symbols),
    }));
    encodeFiles(linkModules({ modules, symbols }), symbols, { builtin: "", builtinModinfo: "" });
    return "done";
  } catch (error) {
    assert.ok(error instanceof FastboopError, `case ${number} of seed ${SEED}: ${error}`);
    assert.match(error.message, /[abc]\.ko/, `case ${number} of seed ${SEED}`);
    return error.kind;
  }
}

Deno.test("parseModuleFacts() bounds what a symbol table may name", async () => {
  const read = (table: Uint8Array, strings: Uint8Array) => () =>
    parseModuleFacts(
      elf(62, 1, [], [{ name: ".symtab", data: table }, { name: ".strtab", data: strings }]),
      "x.ko",
      new SymbolTable(),
    );
  // A million symbols that all are the same long name.
  const table = new Uint8Array(24 << 20);
  const view = new DataView(table.buffer);
  for (let at = 0; at < table.length; at += 24) view.setUint32(at, 1, true);
  const strings = new Uint8Array(4000).fill(0x61);
  strings[3999] = 0;
  await expectError("limit", read(table, strings), "x.ko");
  await expectError(
    "limit",
    read(table.subarray(0, 48), new Uint8Array(9000).fill(0x61).fill(0, 8999)),
  );
  await expectError("corrupt", read(table.subarray(0, 48), new Uint8Array(9).fill(0x61)), "no end");
  view.setUint32(24, 0xffff_ffff, true);
  await expectError("corrupt", read(table.subarray(0, 48), strings), "past the strings");
});

Deno.test("linkModules() bounds rows that grow with each other", async () => {
  const chain = (length: number, needsAll: boolean) => () => {
    const symbols = new SymbolTable();
    const names = Array.from({ length }, (_, i) => `s${i}`);
    const modules = names.map((name, i) => {
      const needs = needsAll
        ? (i < length / 2 ? [] : names.slice(0, length / 2))
        : names.slice(i + 1, i + 2);
      const bytes = symbolModule({ exports: [name], needs });
      return { name, path: `${name}.ko`, facts: parseModuleFacts(bytes, name, symbols) };
    });
    return linkModules({ modules, symbols });
  };
  await expectError("limit", chain(600, false), "in a row");
  await expectError("limit", chain(6000, true), "counted together");
  assert.equal(chain(400, false)()[0]!.row.length, 399);
});
