/** Disk images with partition tables of sgdisk and sfdisk, and what partx sees in them. */
import assert from "node:assert/strict";
import { hasTool, run } from "../filesystems/foreign_tools.ts";

export const HAS_GPT_TOOLS = hasTool("sgdisk") && hasTool("sfdisk") && hasTool("partx");
export const HAS_MBR_TOOLS = hasTool("sfdisk") && hasTool("partx");

/** Runs a tool that must succeed. */
export async function must(program: string, args: string[], input?: string): Promise<string> {
  const stdin = input === undefined ? {} : { stdin: new TextEncoder().encode(input) };
  const { code, stdout, stderr } = await run("env", ["LC_ALL=C.UTF-8", program, ...args], stdin);
  assert.equal(code, 0, `${program} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** A file of zeros. */
export async function makeDisk(path: string, sizeBytes: number): Promise<string> {
  await Deno.writeFile(path, new Uint8Array());
  await Deno.truncate(path, sizeBytes);
  return path;
}

/** A row of partx, which reads tables as libblkid does. */
export interface PartxRow {
  number: number;
  start: number;
  count: number;
  type: string;
  uuid: string;
  name: string;
}

/** What partx shows; it always counts in 512 bytes. */
export async function partx(path: string, lbaSizeBytes: number): Promise<PartxRow[]> {
  const columns = "NR,START,SECTORS,TYPE,UUID,NAME";
  const size = String(lbaSizeBytes);
  const args = ["--raw", "--noheadings", "--sector-size", size, "-o", columns, path];
  const { stdout } = await run("env", ["LC_ALL=C.UTF-8", "partx", ...args]);
  return stdout.split("\n").filter((line) => line !== "").map((line) => {
    const [number, start, count, type, uuid, name] = line.split(" ");
    const plain = (name ?? "").replace(
      /(\\x[0-9a-f]{2})+/g,
      (text) => decodeURIComponent(text.replaceAll("\\x", "%")),
    );
    return {
      number: Number(number),
      start: Number(start) * 512,
      count: Number(count) * 512,
      type: type!,
      uuid: uuid!,
      name: plain,
    };
  });
}
