/**
 * From `boot --kernel` to what the phone sees of it: the real program in a process of its own, a tree of
 * 4,230 modules, a root image behind HTTP, and the lab's bootloader behind USB/IP. "First byte" is the first
 * bulk transfer to the phone, "image" the first byte of the boot image. The peer does the part of it that
 * fastboop does in memory: kbuild's own `modules_install` with strip and depmod, then `mkfs.ext4 -d`.
 */
import { Bootloader } from "../lab/bootloader.ts";
import { WebServer } from "../lab/web_server.ts";
import type { BenchRow } from "./bench.ts";
import { sourceTree, unpackDebianBuild } from "./debian_build.ts";
import { median, medianRatio } from "./paired.ts";

const ROUNDS = 5;
const TARGET_MS = 1500;
const MIB = 1 << 20;
const MAIN = new URL("../../main.ts", import.meta.url).pathname;
/** What make would do in minutes more: Debian's configuration compresses while it installs. */
const INSTALL = `make -s -C "$1" -j$(nproc) modules_install INSTALL_MOD_STRIP=1 ` +
  `INSTALL_MOD_PATH="$2/usr" CONFIG_MODULE_COMPRESS_ALL=`;
const MKFS = `/sbin/mkfs.ext4 -q -d "$2" "$2.img" 1G && rm "$2.img"`;

interface Times {
  /** To the first bulk transfer. */
  firstByteMs: number;
  /** To the first byte of the boot image. */
  imageMs: number;
}

export async function bench(): Promise<BenchRow[]> {
  const folder = await Deno.makeTempDir({ prefix: "fastboop-bench-" });
  try {
    const tree = `${folder}/tree`;
    await unpackDebianBuild(tree);
    // A file that was just written is hashed at each run: a clock may be too coarse to see a change.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const root = `${folder}/rootfs.ero`;
    await makeRoot(folder, root);
    await using web = new WebServer({ "/rootfs.ero": root });
    const run = () => bootOnce(web.url("/rootfs.ero"), tree, `${folder}/cache`);
    const cold = await run();
    const ours: Times[] = [];
    const theirs: number[] = [];
    const hasMake = sourceTree() !== undefined;
    await run();
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(await run());
      if (hasMake) theirs.push(await install(tree, `${folder}/installed`));
    }
    return rows(cold, ours, theirs);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function rows(cold: Times, ours: Times[], theirs: number[]): BenchRow[] {
  const first = ours.map(({ firstByteMs }) => firstByteMs);
  const image = ours.map(({ imageMs }) => imageMs);
  const load = Deno.loadavg()[0]!.toFixed(1);
  const rows = [
    {
      name: `4,230 modules: boot to the phone's first byte (load ${load})`,
      figure: `${median(first).toFixed(0)} ms`,
      target: `<= ${TARGET_MS} ms`,
      ok: median(first) <= TARGET_MS,
    },
    {
      name: "4,230 modules: boot to the boot image's first byte",
      figure: `${median(image).toFixed(0)} ms`,
      target: `<= ${TARGET_MS} ms`,
      ok: median(image) <= TARGET_MS,
    },
    {
      name: "4,230 modules: the same, a build never seen before",
      figure: `${cold.firstByteMs.toFixed(0)}, ${cold.imageMs.toFixed(0)} ms`,
      target: "none",
      ok: true,
    },
  ];
  if (theirs.length === 0) return rows;
  const ratio = medianRatio(image, theirs);
  const times = `${median(image).toFixed(0)} / ${median(theirs).toFixed(0)} ms`;
  return [...rows, {
    name: "boot / make modules_install + mkfs.ext4 -d",
    figure: `${ratio.toFixed(2)} (${times})`,
    target: "<= 0.50",
    ok: ratio <= 0.5,
  }];
}

/** One boot up to the first part of its image, then the cable is out and the program is ended. */
async function bootOnce(url: string, tree: string, cache: string): Promise<Times> {
  const seen = Promise.withResolvers<Times>();
  let firstByteMs: number | undefined;
  const product = "fastboop-virtual-x86_64";
  const bootloader = new Bootloader(
    {
      vendorId: 0x18d1,
      productId: 0x4ee0,
      serial: "BENCH",
      variables: { product, serialno: "BENCH", version: "0.4", unlocked: "yes" },
      maxDownloadBytes: 256 * MIB,
      onEntry: ({ kind }) => {
        const atMs = performance.now() - start;
        firstByteMs ??= atMs;
        if (kind === "data") seen.resolve({ firstByteMs, imageMs: atMs });
      },
    },
    () => "enough for a bench",
    () => {},
  );
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = serve(listener, bootloader);
  const usb = `usbip://127.0.0.1:${listener.addr.port}`;
  const start = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", MAIN, "boot", url, `--kernel=${tree}`, "--usb", usb],
    env: { FASTBOOP_CACHE_DIR: cache, NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said = new Response(child.stderr).text();
  const early = child.status.then(async ({ code }) => {
    throw new Error(`boot ended with ${code}: ${await said}`);
  });
  early.catch(() => {});
  try {
    return await Promise.race([seen.promise, early]);
  } finally {
    try {
      child.kill("SIGKILL");
    } catch { /* it has ended */ }
    await child.status;
    listener.close();
    await served;
  }
}

async function serve(listener: Deno.TcpListener, bootloader: Bootloader): Promise<void> {
  const open: Promise<void>[] = [];
  try {
    for await (const connection of listener) {
      open.push(bootloader.serve(connection).catch(() => {}).finally(() => connection.close()));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
  await Promise.all(open);
}

/** Milliseconds of the peer's whole way. */
async function install(tree: string, to: string): Promise<number> {
  await Deno.remove(to, { recursive: true }).catch(() => {});
  await Deno.mkdir(to);
  const start = performance.now();
  await shell(`${INSTALL} && ${MKFS}`, tree, to);
  return performance.now() - start;
}

/** A root image with nothing in it that a boot up to there would read. */
async function makeRoot(folder: string, to: string): Promise<void> {
  await Deno.mkdir(`${folder}/root/sbin`, { recursive: true });
  await Deno.writeTextFile(`${folder}/root/sbin/init`, "#!/bin/sh\n");
  await shell(`mkfs.erofs --quiet "$1" "$2" >&2`, to, `${folder}/root`);
}

async function shell(script: string, first: string, second: string): Promise<void> {
  const args = ["-c", script, "sh", first, second];
  const { success, stderr } = await new Deno.Command("sh", { args, stdout: "null" }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
