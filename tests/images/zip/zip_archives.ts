/** Zip archives made by python3's zipfile, and by hand where no program writes what is wanted. */
import assert from "node:assert/strict";
import { crc32, deflateRawSync } from "node:zlib";
import { run, withTempDir } from "../../filesystems/foreign_tools.ts";
import { concat } from "../android_sparse/sparse_images.ts";

/** Runs a Python program that writes the archive to `sys.argv[1]`. */
export async function pythonZip(program: string): Promise<Uint8Array<ArrayBuffer>> {
  return await withTempDir(async (folder) => {
    const text = `import sys, zipfile, struct\n${program}`;
    const { code, stderr } = await run("python3", ["-c", text, `${folder}/a.zip`]);
    assert.equal(code, 0, stderr);
    return await Deno.readFile(`${folder}/a.zip`);
  });
}

export interface ZipMember {
  name: string;
  data?: Uint8Array | string;
  deflate?: boolean;
  method?: number;
  flags?: number;
  /** UNIX mode. */
  mode?: number;
  extra?: Uint8Array;
  /** Laid over the central record. */
  central?: (record: Uint8Array) => void;
  /** Laid over the local header. */
  local?: (record: Uint8Array) => void;
}

const encoder = new TextEncoder();

/** An archive of these members. */
export function zipArchive(members: readonly ZipMember[], comment = ""): Uint8Array<ArrayBuffer> {
  const locals: Uint8Array[] = [];
  const centrals: Uint8Array[] = [];
  let at = 0;
  for (const member of members) {
    const { name, data = "", deflate = false, flags = 0, mode = 0o100644 } = member;
    const plain = typeof data === "string" ? encoder.encode(data) : data;
    const stored = deflate ? deflateRawSync(plain) : plain;
    const nameBytes = encoder.encode(name);
    const extra = member.extra ?? new Uint8Array();
    const shared = new Uint8Array(26);
    const view = new DataView(shared.buffer);
    view.setUint16(0, 20, true);
    view.setUint16(2, flags, true);
    view.setUint16(4, member.method ?? (deflate ? 8 : 0), true);
    view.setUint16(8, 0x5821, true);
    view.setUint32(10, crc32(plain), true);
    view.setUint32(14, stored.length, true);
    view.setUint32(18, plain.length, true);
    view.setUint16(22, nameBytes.length, true);
    view.setUint16(24, extra.length, true);
    const local = concat([word(0x04034b50), shared, nameBytes, extra]);
    member.local?.(local);
    const rest = new Uint8Array(14);
    new DataView(rest.buffer).setUint32(6, mode * 65536, true);
    new DataView(rest.buffer).setUint32(10, at, true);
    const central = concat([
      word(0x02014b50),
      Uint8Array.of(20, 3),
      shared,
      rest,
      nameBytes,
      extra,
    ]);
    member.central?.(central);
    locals.push(local, stored);
    centrals.push(central);
    at += local.length + stored.length;
  }
  const end = new Uint8Array(22);
  const view = new DataView(end.buffer);
  view.setUint32(0, 0x06054b50, true);
  view.setUint16(8, members.length, true);
  view.setUint16(10, members.length, true);
  view.setUint32(12, centrals.reduce((sum, { length }) => sum + length, 0), true);
  view.setUint32(16, at, true);
  view.setUint16(20, comment.length, true);
  return concat([...locals, ...centrals, end, encoder.encode(comment)]);
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
