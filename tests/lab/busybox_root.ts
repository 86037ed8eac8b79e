/**
 * A root file system of a few MiB: Debian's static busybox as init and shell, with /lib and /usr either
 * merged or split, and a few MiB of noise that make reading the whole disk take a while.
 */
import type { LabArch } from "./lab_directory.ts";
import { labDirectory } from "./lab_directory.ts";
import { unpackForeign } from "./debian_packages.ts";
import { makeErofs, ROOT_FILES } from "./root_image.ts";
import { runCommand } from "./run_command.ts";
import { buildOnce, digestOf } from "./stamp.ts";

const NOISE_BYTES = 8 * 1024 * 1024;

/** Bytes that do not compress and are always the same (xorshift32). */
function makeNoise(sizeBytes: number): Uint8Array<ArrayBuffer> {
  const noise = new Uint32Array(sizeBytes / 4);
  let state = 0x2545f491;
  for (let i = 0; i < noise.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    noise[i] = state;
  }
  return new Uint8Array(noise.buffer);
}

async function copyBusybox(arch: LabArch, to: string): Promise<void> {
  if (arch === "x86_64") return await Deno.copyFile("/usr/bin/busybox", to);
  const directory = await Deno.makeTempDir({ prefix: "fastboop-lab-busybox-" });
  try {
    await unpackForeign("arm64", ["busybox-static"], directory);
    await Deno.copyFile(`${directory}/bin/busybox`, to);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function makeDirectories(root: string, isMerged: boolean): Promise<void> {
  const real = ["usr/bin", "usr/sbin", "usr/lib", "etc", "dev", "proc", "sys", "run", "tmp", "srv"];
  for (const path of real) await Deno.mkdir(`${root}/${path}`, { recursive: true });
  for (const name of ["bin", "sbin", "lib"]) {
    if (isMerged) await Deno.symlink(`usr/${name}`, `${root}/${name}`);
    else await Deno.mkdir(`${root}/${name}`);
  }
}

async function fillRoot(arch: LabArch, root: string, isMerged: boolean): Promise<void> {
  await makeDirectories(root, isMerged);
  await copyBusybox(arch, `${root}/bin/busybox`);
  await Deno.chmod(`${root}/bin/busybox`, 0o755);
  for (const path of (await runCommand(["busybox", "--list-full"])).trim().split("\n")) {
    const target = `${root}/${isMerged ? path : path.replace(/^usr\//, "")}`;
    if (path.endsWith("/busybox") || await Deno.lstat(target).catch(() => undefined)) continue;
    await Deno.symlink("/bin/busybox", target).catch(() => {});
  }
  await Deno.copyFile(`${ROOT_FILES}/inittab`, `${root}/etc/inittab`);
  await Deno.copyFile(`${ROOT_FILES}/lab-report`, `${root}/sbin/lab-report`);
  await Deno.chmod(`${root}/sbin/lab-report`, 0o755);
  const layout = isMerged ? "merged" : "split";
  await Deno.writeTextFile(`${root}/etc/lab-root`, `busybox ${layout}\n`);
  await Deno.writeTextFile(`${root}/etc/fstab`, "/dev/nowhere / ext4 defaults 0 1\n");
  await Deno.writeFile(`${root}/srv/noise`, makeNoise(NOISE_BYTES));
}

/** Path of the EROFS image, made when missing or older than what it is made of. */
export async function ensureBusyboxRoot(
  arch: LabArch,
  layout: "merged" | "split",
): Promise<string> {
  const image = `${labDirectory()}/busybox-${layout}-${arch}.ero`;
  const version = await runCommand(["dpkg-query", "-W", "-f", "${Version}", "busybox-static"]);
  const texts = ["inittab", "lab-report"].map((name) =>
    Deno.readTextFileSync(`${ROOT_FILES}/${name}`)
  );
  const inputs = ["busybox 1", String(NOISE_BYTES), version, ...texts];
  await buildOnce(image, digestOf(inputs), async () => {
    const root = await Deno.makeTempDir({ prefix: "fastboop-lab-root-" });
    try {
      await Deno.chmod(root, 0o755);
      await fillRoot(arch, root, layout === "merged");
      await makeErofs(root, image, { compressed: false, allRoot: true });
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  });
  return image;
}
