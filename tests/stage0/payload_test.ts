import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readPayload } from "../../lib/stage0/payload.ts";
import { expectError } from "../kernel/expect_error.ts";
import { elf, temporary, writeFiles } from "../kernel/fixture_tree.ts";

const PROGRAM = elf(183, 2, [1], []);
const sum = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

async function prebuilt(program: Uint8Array, sums: string) {
  const dir = await temporary();
  await writeFiles(dir.path, { "stage0-aarch64": program, "SHA256SUMS": sums });
  const folder = new URL(`file://${dir.path}/`);
  return {
    path: dir.path,
    read: (env = {}) => readPayload("aarch64", { env, prebuilt: folder }),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

Deno.test("readPayload() gives the program whose sum is in SHA256SUMS", async () => {
  const sums = `${"0".repeat(64)}  stage0-x86_64\n${sum(PROGRAM)}  stage0-aarch64\n`;
  await using folder = await prebuilt(PROGRAM, sums);
  assert.deepEqual(await folder.read(), PROGRAM);
});

Deno.test("readPayload() refuses a program of another sum, or of none", async () => {
  const sums = `${sum(PROGRAM)}  stage0-aarch64\n`;
  const changed = PROGRAM.slice();
  changed[changed.length - 1]! ^= 1;
  await using folder = await prebuilt(changed, sums);
  await expectError("corrupt", () => folder.read(), sum(PROGRAM), sum(changed));
  await using none = await prebuilt(PROGRAM, `${sum(PROGRAM)}  stage0-x86_64\n`);
  await expectError("corrupt", () => none.read(), "says nothing");
});

Deno.test("readPayload() refuses another machine, a dynamic program and what is no program", async () => {
  const cases: [Uint8Array, RegExp][] = [
    [elf(62, 2, [1], []), /machine 62/],
    [elf(183, 2, [1, 3], []), /not linked statically/],
    [elf(183, 2, [1, 2], []), /not linked statically/],
    [elf(183, 1, [], []), /no program/],
  ];
  for (const [program, text] of cases) {
    await using folder = await prebuilt(program, `${sum(program)}  stage0-aarch64\n`);
    await expectError("unsupported", () => folder.read(), text);
  }
  const pie = elf(183, 3, [1, 2], []);
  await using folder = await prebuilt(pie, `${sum(pie)}  stage0-aarch64\n`);
  assert.deepEqual(await folder.read(), pie, "static-pie has a DYNAMIC segment, but no loader");
});

Deno.test("readPayload() takes FASTBOOP_STAGE0_PATH instead, checked but for its sum", async () => {
  await using folder = await prebuilt(PROGRAM, "");
  const own = elf(183, 2, [1], [{ name: ".text", data: new Uint8Array(8) }]);
  await writeFiles(folder.path, { "own": own, "wrong": elf(62, 2, [1], []) });
  const read = (name: string) => folder.read({ FASTBOOP_STAGE0_PATH: `${folder.path}/${name}` });
  assert.deepEqual(await read("own"), own);
  await expectError("unsupported", () => read("wrong"), "machine 62");
  await expectError("not-found", () => read("gone"), "FASTBOOP_STAGE0_PATH");
  await assert.rejects(read("gone"), { hint: /Correct the variable/ });
  await expectError("source", () => read("."), "directory");
});

for (const arch of ["x86_64", "aarch64"] as const) {
  Deno.test({
    name: `readPayload() accepts the committed stage0 for ${arch}`,
    ignore: !exists(new URL(`../../stage0/prebuilt/stage0-${arch}`, import.meta.url)) ||
      !exists(new URL("../../stage0/prebuilt/SHA256SUMS", import.meta.url)),
    fn: async () => {
      const bytes = await readPayload(arch, { env: {} });
      assert.ok(bytes.length > 1024);
    },
  });
}

function exists(url: URL): boolean {
  try {
    return Deno.statSync(url).isFile;
  } catch {
    return false;
  }
}
