/** A committed fixture, checked against MANIFEST.json before a test leans on it. */
import { createHash } from "node:crypto";
import assert from "node:assert/strict";

const FOLDER = import.meta.dirname!.replace(/tests\/support$/, "fixtures");

export async function readFixture(file: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await Deno.readFile(`${FOLDER}/${file}`);
  const manifest = JSON.parse(await Deno.readTextFile(`${FOLDER}/MANIFEST.json`));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  assert.equal(sha256, manifest[file]?.sha256, `${file} is not the one MANIFEST.json names`);
  return bytes;
}
