/** The second cpio: what the lab adds behind the initramfs of the boot image. */
import { concat } from "../../lib/bytes/concat.ts";

interface ArchiveEntry {
  path: string;
  mode: number;
  data: Uint8Array;
}

const text = new TextEncoder();

/** newc, as Documentation/driver-api/early-userspace/buffer-format.rst of the kernel tree has it. */
function encodeEntry(entry: ArchiveEntry): Uint8Array {
  const name = text.encode(`${entry.path}\0`);
  const fields = [0, entry.mode, 0, 0, 1, 0, entry.data.length, 0, 0, 0, 0, name.length, 0];
  const header = "070701" + fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  const head = new Uint8Array(Math.ceil((110 + name.length) / 4) * 4);
  head.set(text.encode(header));
  head.set(name, 110);
  const body = new Uint8Array(Math.ceil(entry.data.length / 4) * 4);
  body.set(entry.data);
  return concat([head, body]);
}

function encodeArchive(entries: readonly ArchiveEntry[]): Uint8Array {
  const end = { path: "TRAILER!!!", mode: 0, data: new Uint8Array() };
  return concat([...entries, end].map(encodeEntry));
}

/**
 * The lab's archive: /lab/init, /lab/modules/order and the modules.
 *
 * @param directory what ensureGuestProgram() made.
 * @param speed of the virtual USB port.
 */
async function readArchive(directory: string, speed: "super" | "high"): Promise<Uint8Array> {
  const names = (await Deno.readTextFile(`${directory}/order`)).trim().split("\n");
  const lines = names.map((name) => name === "dummy_hcd.ko" ? `${name} is_${speed}_speed=1` : name);
  const entries: ArchiveEntry[] = [
    { path: "lab", mode: 0o040755, data: new Uint8Array() },
    { path: "lab/init", mode: 0o100755, data: await Deno.readFile(`${directory}/init`) },
    { path: "lab/modules", mode: 0o040755, data: new Uint8Array() },
    { path: "lab/modules/order", mode: 0o100644, data: text.encode(lines.join("\n") + "\n") },
  ];
  for (const name of names) {
    const data = await Deno.readFile(`${directory}/modules/${name}`);
    entries.push({ path: `lab/modules/${name}`, mode: 0o100644, data });
  }
  return encodeArchive(entries);
}

/**
 * `initramfs` with the lab's archive behind it. Zeros bring it to a multiple of 4, which is where the
 * kernel accepts a further archive after a compressed one as well as after a plain one.
 */
export async function appendGuestArchive(
  initramfs: Uint8Array,
  directory: string,
  speed: "super" | "high",
): Promise<Uint8Array> {
  const padding = new Uint8Array((4 - initramfs.length % 4) % 4);
  return concat([initramfs, padding, await readArchive(directory, speed)]);
}
