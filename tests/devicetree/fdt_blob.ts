/** Flattened device trees for tests: by hand, token by token, and by dtc from source text. */
import type { Fdt, FdtNode } from "../../lib/devicetree/fdt.ts";

const encoder = new TextEncoder();

/** Tokens of the structure block: `{` begins a node, `}` ends one, a pair is a property. */
export type Token = ["{", string] | ["}"] | ["=", string, Uint8Array] | ["nop"] | ["end"];

export interface BlobOptions {
  version?: number;
  /** Bytes of slack behind everything. */
  slackBytes?: number;
  /** Writes over the finished blob. */
  patch?: (view: DataView) => void;
}

/** A blob of these tokens, laid out as dtc does: reservations, structure, strings. */
export function fdtBlob(tokens: readonly Token[], options: BlobOptions = {}): Uint8Array {
  const strings: string[] = [];
  const nameAt = (name: string): number => {
    const at = strings.join("").indexOf(`${name}\0`);
    if (at >= 0) return at;
    strings.push(`${name}\0`);
    return strings.join("").length - name.length - 1;
  };
  const structure: number[] = [];
  const u32 = (value: number) =>
    structure.push(value >>> 24, value >> 16 & 255, value >> 8 & 255, value & 255);
  const bytes = (data: Uint8Array) => {
    structure.push(...data);
    while (structure.length % 4 !== 0) structure.push(0);
  };
  for (const token of tokens) {
    if (token[0] === "{") {
      u32(1);
      bytes(encoder.encode(`${token[1]}\0`));
    } else if (token[0] === "=") {
      u32(3);
      u32(token[2].length);
      u32(nameAt(token[1]));
      bytes(token[2]);
    } else u32({ "}": 2, nop: 4, end: 9 }[token[0]]);
  }
  const text = encoder.encode(strings.join(""));
  const structAt = 56;
  const stringsAt = structAt + structure.length;
  const blob = new Uint8Array(stringsAt + text.length + (options.slackBytes ?? 0));
  const version = options.version ?? 17;
  const header = [0xd00dfeed, blob.length, structAt, stringsAt, 40, version, 16, 0, text.length];
  const view = new DataView(blob.buffer);
  header.forEach((value, i) => view.setUint32(4 * i, value));
  if (version >= 17) view.setUint32(36, structure.length);
  blob.set(structure, structAt);
  blob.set(text, stringsAt);
  options.patch?.(view);
  return blob;
}

/** Runs dtc on `input`; its output, empty when it refuses. */
export async function runDtc(args: readonly string[], input: Uint8Array): Promise<Uint8Array> {
  const child = new Deno.Command("dtc", {
    args: ["-q", "-f", ...args, "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  const written = writer.write(input).then(() => writer.close()).catch(() => {});
  const { stdout } = await child.output();
  await written;
  return stdout;
}

/** dtc's blob of source text. */
export async function compileDts(
  source: string,
  args: readonly string[] = [],
): Promise<Uint8Array> {
  const blob = await runDtc(["-I", "dts", "-O", "dtb", ...args], encoder.encode(source));
  if (blob.length === 0) throw new Error(`dtc refuses:\n${source}`);
  return blob;
}

/** A parsed tree as source text, every value in bytes: nothing that was parsed is left out. */
export function printDts(fdt: Fdt): string {
  const lines = ["/dts-v1/;"];
  for (const { address, sizeBytes } of fdt.reservations) {
    lines.push(`/memreserve/ 0x${address.toString(16)} 0x${sizeBytes.toString(16)};`);
  }
  const print = (node: FdtNode) => {
    lines.push(`${node.parent ? node.name : "/"} {`);
    for (const [name, value] of node.properties) {
      const hex = [...value].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
      lines.push(value.length > 0 ? `${name} = [${hex}];` : `${name};`);
    }
    node.children.forEach(print);
    lines.push("};");
  };
  print(fdt.root);
  return lines.join("\n");
}
