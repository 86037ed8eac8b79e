/**
 * The busybox root as images are published: on a disk of an Android sparse image in xz, with the kernel on a
 * FAT or ext4 partition before it, and on a plain disk with the kernel inside. Made by the tools of those formats.
 */
import { ensureBusyboxRoot } from "./busybox_root.ts";
import { ensureInstalledKernelRoot, installKernel } from "./installed_kernel_root.ts";
import { type LabArch, labDirectory } from "./lab_directory.ts";
import { runCommand } from "./run_command.ts";
import { buildOnce, digestOf } from "./stamp.ts";

export interface DiskRoot {
  /** What is served and named to fastboop. */
  image: string;
  /** The file system in it: what the guest's root disk must be, byte by byte. */
  filesystem: string;
}

const MIB = 1 << 20;
/** Partitions begin at 1 MiB; the one with the kernel has this size. */
const BOOT_MIB = 32;
const ROOT_MIB = 48;
/** Where the second partition begins. */
const ROOT_AT_MIB = 1 + BOOT_MIB;

/** An MBR: 1 is FAT with `/vmlinuz` and `/dtbs`, 2 an ext4 root with modules and no kernel. */
export function ensureMbrDisk(arch: LabArch, tree: string): Promise<DiskRoot> {
  return ensurePublished({ arch, tree, name: "busybox-mbr 2", makeBoot: makeFat, part: partMbr });
}

/** A GPT: 1 is ext4 with what a distribution has in /boot, 2 the root with modules and an empty /boot. */
export function ensureBootPartitionDisk(arch: LabArch, tree: string): Promise<DiskRoot> {
  const name = "busybox-boot 1";
  return ensurePublished({ arch, tree, name, makeBoot: makeExt4Boot, part: partGpt });
}

interface Published {
  readonly arch: LabArch;
  /** Of the kernel. */
  readonly tree: string;
  /** Of the image, and its version. */
  readonly name: string;
  /** Makes the file system image of the folder. */
  readonly makeBoot: (boot: string, image: string) => Promise<void>;
  /** Writes the table of two partitions. */
  readonly part: (disk: string) => Promise<unknown>;
}

async function ensurePublished(
  { arch, tree, name, makeBoot, part }: Published,
): Promise<DiskRoot> {
  const base = await ensureBusyboxRoot(arch, "merged");
  const path = `${labDirectory()}/${name.split(" ")[0]}-${arch}`;
  const image = `${path}.img.xz`;
  const filesystem = `${path}.ext4`;
  const stamps = [`${base}.stamp`, `${tree}.stamp`].map((path) => Deno.readTextFileSync(path));
  await buildOnce(image, digestOf([name, ...stamps]), async () => {
    if (Deno.uid() !== 0) throw new Error("unpacking a root file system needs root, once");
    const work = await Deno.makeTempDir({ prefix: "fastboop-lab-disk-" });
    try {
      await runCommand(["fsck.erofs", `--extract=${work}/root`, "--overwrite", base]);
      await installKernel(arch, tree, `${work}/root`, `${work}/boot`);
      const format = ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", `${work}/root`];
      await runCommand([...format, `${work}/ext4`, `${ROOT_MIB}M`]);
      await makeBoot(`${work}/boot`, `${work}/fs`);
      await makeEmpty(`${work}/disk`, ROOT_AT_MIB + ROOT_MIB + 1);
      await part(`${work}/disk`);
      await put(`${work}/fs`, `${work}/disk`, 1);
      await put(`${work}/ext4`, `${work}/disk`, ROOT_AT_MIB);
      await runCommand(["img2simg", `${work}/disk`, `${work}/simg`]);
      await runCommand(["xz", "-1", "--block-size=1MiB", `${work}/simg`]);
      await runCommand(["mv", `${work}/ext4`, filesystem]);
      await runCommand(["mv", `${work}/simg.xz`, image]);
    } finally {
      await Deno.remove(work, { recursive: true });
    }
  });
  return { image, filesystem };
}

async function partMbr(disk: string): Promise<void> {
  const words = [`start=${MIB / 512}, size=${BOOT_MIB * MIB / 512}, type=c`]
    .concat(`start=${ROOT_AT_MIB * MIB / 512}, size=${ROOT_MIB * MIB / 512}, type=83`);
  const input = `label: dos\n${words.join("\n")}\n`;
  await runCommand(["/sbin/sfdisk", "-q", disk], { input });
}

async function partGpt(disk: string): Promise<void> {
  const parts = ["-n", `1:${MIB / 512}:+${BOOT_MIB}M`, "-c", "1:boot"];
  parts.push("-n", `2:${ROOT_AT_MIB * MIB / 512}:+${ROOT_MIB}M`, "-c", "2:linux");
  await runCommand(["/sbin/sgdisk", ...parts, disk]);
}

/** A GPT: 1 is an empty EFI system partition, 2 the ext4 root with its kernel installed. */
export async function ensureGptDisk(arch: LabArch, tree: string): Promise<DiskRoot> {
  const filesystem = await ensureInstalledKernelRoot(arch, tree);
  const image = `${labDirectory()}/busybox-gpt-${arch}.img`;
  const inputs = ["busybox-gpt 1", await Deno.readTextFile(`${filesystem}.stamp`)];
  await buildOnce(image, digestOf(inputs), async () => {
    const { size } = await Deno.stat(filesystem);
    const work = await Deno.makeTempDir({ prefix: "fastboop-lab-disk-" });
    try {
      await makeEmpty(`${work}/fat`, BOOT_MIB);
      await runCommand(["/sbin/mkfs.vfat", `${work}/fat`]);
      await makeEmpty(`${work}/disk`, ROOT_AT_MIB + size / MIB + 1);
      const parts = ["-n", `1:${MIB / 512}:+${BOOT_MIB}M`, "-t", "1:ef00", "-c", "1:EFI"];
      parts.push("-n", `2:${ROOT_AT_MIB * MIB / 512}:+${size / MIB}M`, "-c", "2:linux");
      await runCommand(["/sbin/sgdisk", ...parts, `${work}/disk`]);
      await put(`${work}/fat`, `${work}/disk`, 1);
      await put(filesystem, `${work}/disk`, ROOT_AT_MIB);
      await runCommand(["cp", "--sparse=always", `${work}/disk`, image]);
    } finally {
      await Deno.remove(work, { recursive: true });
    }
  });
  return { image, filesystem };
}

/** The kernel as `/vmlinuz`; what else belongs to it under the names it has. */
async function makeFat(boot: string, image: string): Promise<void> {
  await makeEmpty(image, BOOT_MIB);
  await runCommand(["/sbin/mkfs.vfat", "-n", "BOOT", image]);
  for await (const { name, isDirectory } of Deno.readDir(boot)) {
    const to = name.startsWith("vmlinuz-") ? "vmlinuz" : name;
    if (!isDirectory) await runCommand(["mcopy", "-i", image, `${boot}/${name}`, `::/${to}`]);
  }
  if (!await Deno.stat(`${boot}/dtbs`).catch(() => undefined)) return;
  for await (const { name: release } of Deno.readDir(`${boot}/dtbs`)) {
    await runCommand(["mcopy", "-s", "-i", image, `${boot}/dtbs/${release}`, "::/dtbs"]);
  }
}

async function makeExt4Boot(boot: string, image: string): Promise<void> {
  await runCommand(["mke2fs", "-q", "-t", "ext4", "-L", "boot", "-d", boot, image, `${BOOT_MIB}M`]);
}

async function makeEmpty(path: string, sizeMib: number): Promise<void> {
  await runCommand(["truncate", "-s", `${sizeMib}M`, path]);
}

async function put(from: string, disk: string, atMib: number): Promise<void> {
  const words = [`if=${from}`, `of=${disk}`, "bs=1M", `seek=${atMib}`];
  await runCommand(["dd", "status=none", "conv=notrunc,sparse", ...words]);
}
