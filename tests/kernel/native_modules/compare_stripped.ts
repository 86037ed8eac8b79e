/** Whether a stripped module means the same as what strip(1) made of it, by binutils' own readers. */
import assert from "node:assert/strict";
import { parseElf } from "../../../lib/kernel/elf.ts";

/** Tables whose bytes may differ: strip packs them again. */
const TABLES = new Set([".symtab", ".strtab", ".shstrtab"]);

/** Fails unless the files have the same sections, contents, symbols and relocations. */
export async function compareStripped(ours: string, theirs: string, nm = "nm"): Promise<void> {
  const [ourSections, theirSections] = await Promise.all([sections(ours), sections(theirs)]);
  assert.deepEqual(ourSections, theirSections, `sections of ${ours}`);
  assert.deepEqual(await contents(ours), await contents(theirs), `contents of ${ours}`);
  assert.equal(await run(nm, "-p", "--no-demangle", ours), await run(nm, "-p", theirs), ours);
  assert.deepEqual(await relocations(ours), await relocations(theirs), `relocations of ${ours}`);
  assert.deepEqual(await groups(ours), await groups(theirs), `groups of ${ours}`);
}

/** Name, type, entry size, flags and alignment in order, with the size of all but the tables. */
async function sections(path: string): Promise<string[]> {
  const text = await run("readelf", "-SW", path);
  return text.split("\n").flatMap((line) => {
    const match =
      /^ {2}\[ *\d+\] (.*?) +([A-Z_]+) +([0-9a-f]{16}) [0-9a-f]{6,} ([0-9a-f]{6,}) (.*)$/
        .exec(line);
    if (!match) return [];
    const [, name, type, address, size, rest] = match;
    const [entry, ...more] = rest!.trim().split(/ +/);
    const flags = more.length === 4 ? more[0] : "";
    return [[name, type, address, entry, flags, more.at(-1), TABLES.has(name!) ? "" : size].join()];
  });
}

async function contents(path: string): Promise<Map<string, string>> {
  const bytes = await Deno.readFile(path);
  const found = new Map<string, string>();
  for (const { name, offsetBytes, sizeBytes } of parseElf(bytes, path).sections) {
    if (TABLES.has(name) || name.startsWith(".rela") || name === ".group") continue;
    const digest = await crypto.subtle.digest(
      "SHA-256",
      bytes.slice(offsetBytes, offsetBytes + sizeBytes),
    );
    found.set(name, new Uint8Array(digest).toHex());
  }
  return found;
}

/** Offset, type, symbol value, symbol name and addend; not the number of the symbol. */
async function relocations(path: string): Promise<string[]> {
  const text = await run("readelf", "-rW", path);
  return text.split("\n").filter((line) => line !== "").map((line) =>
    line.startsWith("Relocation section")
      ? line.replace(/ at offset 0x[0-9a-f]+/, "")
      : line.replace(/^([0-9a-f]{16}) +[0-9a-f]{16} /, "$1 ")
  );
}

async function groups(path: string): Promise<string[]> {
  const text = await run("readelf", "-gW", path);
  return text.split("\n").filter((line) => /^ {3}\[ *\d+\]/.test(line));
}

/** What a program prints; fails when it complains. */
export async function run(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  const complaint = new TextDecoder().decode(stderr);
  assert.ok(success && complaint === "", `${program} ${args.join(" ")}: ${complaint}`);
  return new TextDecoder().decode(stdout);
}
