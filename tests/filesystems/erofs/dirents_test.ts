import assert from "node:assert/strict";
import { Dirents } from "../../../lib/filesystems/erofs/dirents.ts";
import { DIRECTORY_NAMES } from "../../../lib/filesystems/limits.ts";
import { SortedNames } from "../../../lib/filesystems/sorted_names.ts";
import { ofKind } from "../../support/expect_kind.ts";

const encoder = new TextEncoder();

/** A block whose names have the node numbers 1, 2, ...; `padding` follows the last one. */
function blockOf(names: readonly (string | Uint8Array)[], padding = new Uint8Array(0)): Uint8Array {
  const texts = names.map((name) => typeof name === "string" ? encoder.encode(name) : name);
  const textBytes = texts.reduce((sum, { length }) => sum + length, 0);
  const block = new Uint8Array(texts.length * 12 + textBytes + padding.length);
  const view = new DataView(block.buffer);
  let at = texts.length * 12;
  for (const [i, text] of texts.entries()) {
    view.setUint32(i * 12, i + 1, true);
    view.setUint16(i * 12 + 8, at, true);
    block.set(text, at);
    at += text.length;
  }
  block.set(padding, at);
  return block;
}

function namesOf(...blocks: Uint8Array[]) {
  const dirents = new Dirents("Read it");
  for (const block of blocks) dirents.addBlock(block);
  return dirents.finish();
}

const NUL = Uint8Array.of(0);
const LONG = "n".repeat(255);

Deno.test("Dirents finds every name, sorted or not, ASCII or not, whatever pads the block", () => {
  const lists: readonly (readonly [names: readonly string[], isSorted: boolean])[] = [
    [["#h", "-first", ".", "..", "a", "b.c", LONG], true],
    [["b", "a"], false],
    [["a", "\u00e9", "\u{1f600}"], false],
    [["\ufeffmark"], false],
    [["."], true],
  ];
  const paddings = ["", "\0", "\0rest/\xff", "\0".repeat(900)].map((text) => encoder.encode(text));
  for (const [list, isSorted] of lists) {
    for (const padding of paddings) {
      const names = namesOf(blockOf(list, padding));
      assert.equal(names instanceof SortedNames, isSorted);
      const wanted = list.filter((name) => name !== "." && name !== "..");
      assert.equal(names.size, wanted.length);
      for (const name of wanted) assert.equal(names.get(name), 2 * (list.indexOf(name) + 1), name);
      for (const name of ["", ".", "..", "A", "aa", "zz"]) assert.equal(names.get(name), undefined);
    }
  }
});

Deno.test("Dirents sees across blocks whether names are sorted, and none twice", () => {
  assert.ok(namesOf(blockOf(["a", "b"]), blockOf(["c"])) instanceof SortedNames);
  const unsorted = namesOf(blockOf(["b", "c"]), blockOf(["a"]));
  assert.deepEqual(["a", "b", "c"].map((name) => unsorted.get(name)), [2, 2, 4]);
  for (
    const blocks of [
      [blockOf(["a", "a"])],
      [blockOf(["a", "b"]), blockOf(["b"])],
      [blockOf(["b", "a", "b"])],
      [blockOf(["\u00e9", "\u00e9"])],
    ]
  ) {
    assert.throws(() => namesOf(...blocks), ofKind("corrupt", /twice/));
  }
});

Deno.test("Dirents refuses what is no name, and blocks that are none", () => {
  for (const name of ["a/b", "a\0b", `${LONG}n`]) {
    assert.throws(() => namesOf(blockOf([name, "z"])), ofKind("corrupt", /a name/), name);
  }
  const latin = Uint8Array.of(0x61, 0xe9);
  assert.throws(() => namesOf(blockOf([latin, "z"])), ofKind("unsupported", /UTF-8/));
  assert.throws(() => namesOf(blockOf(["a", NUL])), ofKind("corrupt", /a name/));
  assert.throws(() => namesOf(new Uint8Array(11)), ofKind("corrupt", /no room/));
  const whole = blockOf(["first", "second"]);
  for (const [at, value] of [[8, 0], [8, 13], [8, 36], [20, 24], [20, 60]] as const) {
    const block = whole.slice();
    block[at] = value;
    assert.throws(() => namesOf(block), ofKind("corrupt", /name/), `${at}: ${value}`);
  }
});

Deno.test("Dirents takes 250,000 names", () => {
  const dirents = new Dirents("Read it");
  const perBlock = 1000;
  for (let i = 0; i < DIRECTORY_NAMES; i += perBlock) {
    dirents.addBlock(blockOf(Array.from({ length: perBlock }, (_, k) => String(1e6 + i + k))));
  }
  assert.equal(dirents.finish().size, DIRECTORY_NAMES);
  assert.throws(() => dirents.addBlock(blockOf(["z"])), ofKind("limit", /250000/));
});
