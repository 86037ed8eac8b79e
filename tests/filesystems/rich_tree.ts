/** A host directory with all that a foreign mkfs can be given: what compresses, what does not, holes. */
import { makeHostTree } from "./ext4/host_tree.ts";
import { seededRandom } from "../smoo/seeded_random.ts";

const random = seededRandom(7);
const noise = (sizeBytes: number) => Uint8Array.from({ length: sizeBytes }, () => random(256));

/** Lines that repeat words, about as compressible as source text. */
function text(sizeBytes: number, seed: number): Uint8Array {
  const pick = seededRandom(seed);
  const words = Array.from({ length: 300 }, () => pick(2 ** 30).toString(36));
  let lines = "";
  while (lines.length < sizeBytes) lines += words[pick(words.length)] + (pick(9) ? " " : "\n");
  return new TextEncoder().encode(lines.slice(0, sizeBytes));
}

/** Fills `path`; as root with devices, owners and attributes that only root can set. */
export async function makeRichTree(path: string): Promise<void> {
  await makeHostTree(path);
  await Deno.mkdir(`${path}/data`);
  for (const size of [100, 4096, 5000, 16384, 70_001, 300_000, 700_000]) {
    await Deno.writeFile(`${path}/data/text-${size}`, text(size, size));
    await Deno.writeFile(`${path}/data/noise-${size}`, noise(Math.min(size, 100_000)));
  }
  const shared = text(200_000, 99);
  for (const lead of [0, 1, 4096, 10_000]) {
    const bytes = new Uint8Array(lead + shared.length + 500);
    bytes.set(noise(lead));
    bytes.set(shared, lead);
    bytes.set(noise(500), lead + shared.length);
    await Deno.writeFile(`${path}/data/shared-${lead}`, bytes);
  }
  await Deno.writeFile(`${path}/data/zeros`, new Uint8Array(1_000_000));
  const mixed = new Uint8Array(400_000);
  for (let at = 0; at < mixed.length; at += 40_000) {
    mixed.set(at % 80_000 ? noise(40_000) : text(40_000, at + 1), at);
  }
  await Deno.writeFile(`${path}/data/mixed`, mixed);
  {
    using sparse = Deno.openSync(`${path}/data/sparse`, { create: true, write: true });
    sparse.truncateSync(3_000_000);
    for (const at of [65_536, 1_500_000, 2_999_000]) {
      sparse.seekSync(at, Deno.SeekMode.Start);
      sparse.writeSync(noise(900));
    }
  }
  await Deno.mkdir(`${path}/names`);
  for (const name of ["#h", "-first", "!", " ", "\u00e9".repeat(90), "n".repeat(180)]) {
    await Deno.writeTextFile(`${path}/names/${name}`, name);
  }
  addAttributes(path);
}

function addAttributes(path: string): void {
  if (Deno.build.os !== "linux") return;
  const libc = Deno.dlopen("libc.so.6", {
    lsetxattr: { parameters: ["buffer", "buffer", "buffer", "usize", "i32"], result: "i32" },
  });
  const encoder = new TextEncoder();
  const set = (name: string, value: string, file: string) => {
    const bytes = encoder.encode(value);
    const text = (words: string) => encoder.encode(`${words}\0`);
    const code = libc.symbols.lsetxattr(text(file), text(name), bytes, BigInt(bytes.length), 0);
    if (code !== 0) throw new Error(`cannot set ${name} of ${file}`);
  };
  for (const size of [100, 4096, 70_001]) {
    set("user.shared", "the same everywhere", `${path}/data/text-${size}`);
    set("user.own", `size ${size}`, `${path}/data/text-${size}`);
    set("user.long.prefix.of.a.name", "v".repeat(300), `${path}/data/noise-${size}`);
  }
  set("user.on", "a directory", `${path}/data`);
  set("user.empty", "", `${path}/data/mixed`);
  if (Deno.uid() === 0) {
    set("trusted.overlay.opaque", "y", `${path}/names`);
    set("security.selinux", "system_u:object_r:lib_t:s0", `${path}/short`);
  }
  libc.close();
}
