/** The reader: judged by cpio(1) in both directions, and by damage. */
import assert from "node:assert/strict";
import { concat } from "../../../lib/bytes/concat.ts";
import { FastboopError } from "../../../lib/errors/errors.ts";
import { encodeCpio } from "../../../lib/filesystems/cpio/encode_cpio.ts";
import type { CpioEntry } from "../../../lib/filesystems/cpio/entry.ts";
import { type CpioMember, isCpio, readCpio } from "../../../lib/filesystems/cpio/read_cpio.ts";
import { makeHostTree } from "../ext4/host_tree.ts";
import { hasTool, run, withTempDir } from "../foreign_tools.ts";

const ignore = !hasTool("cpio");
const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function sample(): Uint8Array<ArrayBuffer> {
  return concat(encodeCpio([
    { path: "init", mode: 0o100755, data: bytesOf("#!/bin/sh\n") },
    { path: "etc/name", mode: 0o100644, data: bytesOf("value\n"), uid: 7, gid: 8 },
    { path: "bin", mode: 0o120777, data: bytesOf("usr/bin") },
    { path: "dev/null", mode: 0o020666, deviceMajor: 1, deviceMinor: 3 },
    { path: "a", mode: 0o100644, linkGroup: 1, linkCount: 2 },
    { path: "b", mode: 0o100644, linkGroup: 1, linkCount: 2, data: bytesOf("shared") },
  ], { mtimeSeconds: 9 }));
}

const byPath = (members: readonly CpioMember[]) =>
  new Map(members.map((member) => [member.path, member]));

async function cpioOf(folder: string, format: "newc" | "crc"): Promise<Uint8Array<ArrayBuffer>> {
  const { stdout, success } = await new Deno.Command("sh", {
    args: ["-c", `find . -print0 | LC_ALL=C sort -z | cpio -0 -o -H ${format} --quiet`],
    cwd: folder,
  }).output();
  assert.ok(success);
  return stdout;
}

Deno.test("readCpio() gives back what was encoded, and data to every hard link", () => {
  const archive = sample();
  const { members, endBytes } = readCpio(archive);
  assert.equal(endBytes, archive.length);
  const found = byPath(members);
  assert.deepEqual([...found.keys()], [
    "dev",
    "etc",
    "a",
    "b",
    "bin",
    "dev/null",
    "etc/name",
    "init",
  ]);
  assert.equal(textOf(found.get("init")!.data), "#!/bin/sh\n");
  assert.equal(found.get("init")!.mode, 0o100755);
  const { uid, gid, mtimeSeconds } = found.get("etc/name")!;
  assert.deepEqual([uid, gid, mtimeSeconds], [7, 8, 9]);
  const { deviceMajor, deviceMinor } = found.get("dev/null")!;
  assert.deepEqual([deviceMajor, deviceMinor], [1, 3]);
  assert.equal(textOf(found.get("bin")!.data), "usr/bin");
  assert.equal(textOf(found.get("a")!.data), "shared");
  assert.equal(textOf(found.get("b")!.data), "shared");
});

Deno.test("readCpio() reads at any offset and from an unaligned array", () => {
  const archive = sample();
  for (const skip of [1, 2, 3, 4, 110]) {
    const shifted = new Uint8Array(skip + archive.length + 5).fill(0xee);
    shifted.set(archive, skip);
    const { members, endBytes } = readCpio(shifted, skip);
    assert.equal(endBytes, skip + archive.length);
    assert.deepEqual(members, readCpio(archive).members);
    assert.ok(isCpio(shifted, skip) && !isCpio(shifted, skip + 1));
  }
});

for (const format of ["newc", "crc"] as const) {
  Deno.test({
    name: `readCpio() reads what cpio -H ${format} wrote of a directory`,
    ignore,
    async fn() {
      await withTempDir(async (folder) => {
        await makeHostTree(`${folder}/tree`);
        const archive = await cpioOf(`${folder}/tree`, format);
        const found = byPath(readCpio(archive).members);
        assert.ok(found.size > 10);
        assert.ok(found.has(""), "the root, stored as a dot");
        for (const [path, member] of found) {
          const info = await Deno.lstat(`${folder}/tree/${path}`);
          assert.equal(member.mode, info.mode, path);
          assert.equal(member.uid, info.uid, path);
          if (info.isFile) {
            assert.deepEqual(member.data, await Deno.readFile(`${folder}/tree/${path}`), path);
          } else if (info.isSymlink) {
            assert.equal(textOf(member.data), await Deno.readLink(`${folder}/tree/${path}`));
          }
        }
        const { stdout } = await new Deno.Command("find", {
          args: [".", "-printf", "x"],
          cwd: `${folder}/tree`,
        }).output();
        assert.equal(found.size, stdout.length, "as many members as names");
      });
    },
  });
}

Deno.test({
  name: "readCpio() sees every flipped byte of data in a crc archive",
  ignore,
  async fn() {
    await withTempDir(async (folder) => {
      await Deno.writeTextFile(`${folder}/file`, "every one of these bytes counts");
      const archive = await cpioOf(folder, "crc");
      const start = textOf(archive).indexOf("every one");
      for (let i = 0; i < 31; i++) {
        const damaged = archive.slice();
        damaged[start + i]! ^= 1 << (i % 8);
        assert.throws(() => readCpio(damaged), { kind: "corrupt", message: /checksum/ });
      }
      assert.equal(readCpio(archive).members.length, 2);
    });
  },
});

Deno.test("readCpio() shows a flipped byte of data, name and mode as another member", () => {
  const archive = sample();
  const good = JSON.stringify(readCpio(archive).members.map((m) => ({ ...m, data: [...m.data] })));
  const text = textOf(archive);
  for (const at of [text.indexOf("value"), text.indexOf("etc/name"), text.indexOf("init") - 95]) {
    const damaged = archive.slice();
    damaged[at]! ^= 1;
    const members = readCpio(damaged).members.map((m) => ({ ...m, data: [...m.data] }));
    assert.notEqual(JSON.stringify(members), good, `byte ${at}`);
  }
});

/** A header as text, to be written wrong in one field. */
function oneMember(change: Record<number, string>, name = "x\0", data = ""): Uint8Array {
  const fields = Array.from({ length: 13 }, () => "00000000");
  fields[1] = "000081a4";
  fields[4] = "00000001";
  fields[6] = data.length.toString(16).padStart(8, "0");
  fields[11] = bytesOf(name).length.toString(16).padStart(8, "0");
  for (const [i, value] of Object.entries(change)) fields[Number(i)] = value;
  const head = bytesOf(`070701${fields.join("")}${name}`);
  return concat([head, new Uint8Array((4 - head.length % 4) % 4), bytesOf(data)]);
}

Deno.test("readCpio() refuses sizes and names that cannot be, without allocating for them", () => {
  const refused: [Uint8Array, string, RegExp][] = [
    [new Uint8Array(), "corrupt", /without a trailer/],
    [bytesOf("070701"), "corrupt", /cut/],
    [bytesOf("070707" + "0".repeat(200)), "corrupt", /no member/],
    [oneMember({ 6: "ffffffff" }), "corrupt", /ends at/],
    [oneMember({ 11: "ffffffff" }), "limit", /4294967295 bytes/],
    [oneMember({ 11: "00001001" }), "limit", /4097 bytes/],
    [oneMember({ 11: "00000001" }), "corrupt", /1 bytes/],
    [oneMember({ 11: "00001000" }), "corrupt", /ends at/],
    [oneMember({}, "xy"), "corrupt", /NUL/],
    [oneMember({}, "\0\0"), "corrupt", /name is empty/],
    [oneMember({ 3: "0000000g" }), "corrupt", /hex/],
    [oneMember({ 3: "-0000001" }), "corrupt", /hex/],
    [oneMember({}), "corrupt", /without a trailer/],
  ];
  for (const [bytes, kind, message] of refused) {
    assert.throws(() => readCpio(bytes), { name: "FastboopError", kind, message });
  }
});

const TRAILER = "TRAILER!!!\0";

Deno.test("readCpio() takes a name up to its first NUL, and its bytes as they are", () => {
  // dracut-cpio --data-align and gen_init_cpio -a pad names with NULs.
  const names = ["padded\0\0\0", "\ufeffmark\0", "\ufffd\0", TRAILER + "\0\0"];
  const { members, endBytes } = readCpio(concat(names.map((name) => oneMember({}, name))));
  assert.deepEqual(members.map(({ path }) => path), ["padded", "\ufeffmark", "\ufffd"]);
  assert.ok(members.every(({ isUtf8 }) => isUtf8));
  assert.equal(endBytes % 4, 0);
  const latin1 = concat([oneMember({}, "x\0"), oneMember({}, TRAILER)]);
  latin1[110] = 0xe9;
  assert.deepEqual(readCpio(latin1).members.map(({ path, isUtf8 }) => [path, isUtf8]), [
    ["\ufffd", false],
  ]);
});

Deno.test({
  name: "readCpio() reads a file called ./TRAILER!!! and what follows, as cpio(1) does",
  ignore,
  async fn() {
    const archive = concat(["./" + TRAILER, "z\0", TRAILER].map((name) => oneMember({}, name)));
    const { stdout } = await run("cpio", ["-t", "--quiet"], { stdin: archive });
    assert.equal(stdout, "./TRAILER!!!\nz\n");
    assert.deepEqual(readCpio(archive).members.map(({ path }) => path), ["TRAILER!!!", "z"]);
  },
});

Deno.test("readCpio() ends in members or a typed error for 20,000 mutations", () => {
  const whole = sample();
  let seed = 0x5eed;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor(seed / 2 ** 32 * below);
  };
  let read = 0;
  let refused = 0;
  for (let round = 0; round < 20_000; round++) {
    const bytes = whole.slice(0, random(4) === 0 ? random(whole.length + 1) : whole.length);
    for (let i = random(4); i >= 0 && bytes.length > 0; i--) {
      const at = random(bytes.length);
      bytes[at] = random(2) === 0 ? random(256) : "0123456789abcdef".charCodeAt(random(16));
    }
    try {
      const { members, endBytes } = readCpio(bytes);
      assert.ok(endBytes <= bytes.length);
      for (const { data } of members) assert.ok(data.length <= bytes.length);
      read++;
    } catch (error) {
      assert.ok(error instanceof FastboopError, `round ${round}: ${error}`);
      assert.ok(error.kind === "corrupt" || error.kind === "limit", error.message);
      refused++;
    }
  }
  assert.ok(read > 1000 && refused > 1000, `${read} read, ${refused} refused`);
});

Deno.test({
  name: "readCpio() and cpio -t list the same names of what encodeCpio() wrote",
  ignore,
  async fn() {
    const entries: CpioEntry[] = [];
    for (let i = 0; i < 300; i++) {
      entries.push({
        path: `d${i % 7}/${"n".repeat(i % 90 + 1)}${i}`,
        mode: 0o100600,
        data: new Uint8Array(i),
      });
    }
    const archive = concat(encodeCpio(entries));
    const child = new Deno.Command("cpio", {
      args: ["-t", "--quiet"],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(archive);
    await writer.close();
    const listed = textOf((await child.output()).stdout).trimEnd().split("\n");
    assert.deepEqual(readCpio(archive).members.map(({ path }) => path), listed);
  },
});
