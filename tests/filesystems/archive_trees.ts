/** Host directories for archives, and what an archive's own program unpacks. */
import assert from "node:assert/strict";
import { IS_ROOT } from "./ext4/host_tree.ts";
import { run } from "./foreign_tools.ts";

export interface TreeWishes {
  /** Names beyond 100 bytes, which v7 cannot hold. */
  long?: boolean;
  /** Devices and a FIFO, which zip cannot hold. */
  special?: boolean;
}

/** Fills `path` with the kinds of files archives hold, all of one whole second. */
export async function makeArchiveTree(path: string, wishes: TreeWishes = {}): Promise<void> {
  const write = async (name: string, sizeBytes: number) => {
    const bytes = Uint8Array.from({ length: sizeBytes }, (_, i) => (i * 131 + (i >> 7)) & 255);
    await Deno.writeFile(`${path}/${name}`, bytes);
  };
  await Deno.mkdir(`${path}/usr/lib/empty`, { recursive: true });
  await Deno.mkdir(`${path}/etc`);
  for (const size of [0, 1, 511, 512, 513, 70_000]) await write(`usr/lib/size-${size}`, size);
  await write("etc/text", 100);
  await Deno.chmod(`${path}/usr/lib/size-1`, 0o4711);
  await Deno.symlink("usr/lib", `${path}/lib`);
  await Deno.symlink("/etc/text", `${path}/absolute`);
  if (wishes.special) await Deno.link(`${path}/etc/text`, `${path}/etc/text-again`);
  await write("usr/\u00e9t\u00e9", 20);
  if (wishes.long) {
    const folder = `deep/${"folder-name/".repeat(12)}`;
    await Deno.mkdir(`${path}/${folder}`, { recursive: true });
    await write(`${folder}${"n".repeat(200)}`, 300);
    await Deno.symlink("../".repeat(50) + "nowhere", `${path}/long-link`);
    await Deno.link(`${path}/${folder}${"n".repeat(200)}`, `${path}/${"h".repeat(150)}`);
  }
  if (wishes.special) {
    assert.equal((await run("mkfifo", [`${path}/fifo`])).code, 0);
    if (IS_ROOT) {
      await run("mknod", [`${path}/null`, "c", "1", "3"]);
      await run("mknod", [`${path}/disk`, "b", "8", "17"]);
      await Deno.chown(`${path}/etc/text`, 1234, 99);
    }
  }
  await run("find", [path, "-exec", "touch", "-h", "-d", "2020-01-02T03:04:05Z", "{}", "+"]);
}

/** A file of `sizeBytes` with data at the given places alone. */
export function writeSparse(path: string, sizeBytes: number, places: readonly number[]): void {
  using file = Deno.openSync(path, { create: true, write: true });
  file.truncateSync(sizeBytes);
  for (const at of places) {
    file.seekSync(at, Deno.SeekMode.Start);
    file.writeSync(new TextEncoder().encode(`data at ${at}`));
  }
}
