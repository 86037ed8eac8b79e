/** A directory on disk for the tests that compare an image with what it was made of. */
import { run } from "../foreign_tools.ts";

export const IS_ROOT = Deno.build.os === "linux" && Deno.uid() === 0;

/** Fills `path` with files, links, long names, and as root with devices and foreign owners. */
export async function makeHostTree(path: string): Promise<void> {
  const fill = (size: number) =>
    Uint8Array.from({ length: size }, (_, i) => (i * 131 + size) & 255);
  for (const folder of ["kernel/drivers/net", "empty", "many", "deep/" + "d/".repeat(40)]) {
    await Deno.mkdir(`${path}/${folder}`, { recursive: true });
  }
  for (const size of [0, 1, 4095, 4096, 4097, 300_000]) {
    await Deno.writeFile(`${path}/kernel/drivers/net/size-${size}.ko`, fill(size));
  }
  for (let i = 0; i < 1700; i++) Deno.writeTextFileSync(`${path}/many/entry-${i}`, String(i % 7));
  await Deno.writeTextFile(`${path}/\u{1f4f1} phone`, "astral");
  await Deno.writeTextFile(`${path}/\ufffd`, "before the phone in bytes");
  await Deno.writeFile(`${path}/shared`, fill(5000));
  await Deno.link(`${path}/shared`, `${path}/kernel/shared-again`);
  await Deno.symlink("kernel/drivers", `${path}/short`);
  await Deno.symlink("../".repeat(60) + "nowhere", `${path}/long`);
  await run("mkfifo", [`${path}/fifo`]);
  await Deno.chmod(`${path}/kernel/drivers/net/size-1.ko`, 0o4711);
  if (IS_ROOT) {
    await run("mknod", [`${path}/null`, "c", "1", "3"]);
    await run("mknod", [`${path}/far`, "b", "259", "70000"]);
    await Deno.chown(`${path}/kernel/drivers/net/size-4096.ko`, 70_000, 99);
  }
  await Deno.utime(`${path}/shared`, 4_000_000_000, 4_000_000_000);
  await Deno.utime(`${path}/kernel/drivers/net/size-0.ko`, -5, -5);
  await Deno.utime(`${path}/empty`, 1_234_567_890.5, 1_234_567_890.5);
}

/** Everything lstat says below `path`, one line per name, times to the millisecond. */
export async function describeTree(path: string): Promise<string[]> {
  const format = "%P\\t%y\\t%m\\t%U\\t%G\\t%T@\\t%l\\t%n\\n";
  const { stdout } = await run("find", [path, "-mindepth", "1", "-printf", format]);
  const lines: string[] = [];
  for (const line of stdout.split("\n").filter((text) => text !== "")) {
    const [name, type, mode, uid, gid, time, target, links] = line.split("\t");
    const info = Deno.lstatSync(`${path}/${name}`);
    const milliseconds = time!.replace(/(\.\d{3})\d*$/, "$1");
    const size = type === "d" ? "" : info.size;
    lines.push(
      [name, type, mode, uid, gid, milliseconds, target, links, size, info.rdev].join("\t"),
    );
  }
  return lines.sort();
}
