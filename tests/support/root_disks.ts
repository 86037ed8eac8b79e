/** Disk images around root file systems: tables by sgdisk and sfdisk, FAT by mkfs.vfat and mcopy. */
import { makeDisk, must } from "../images/disk_images.ts";

export interface DiskPart {
  readonly bytes: Uint8Array;
  /** GPT only. */
  readonly label?: string;
  /** A GUID or code of sgdisk, or the two digits of an MBR. */
  readonly type?: string;
}

/** Where partitions begin: from 1 MiB on, each at a MiB of its own. */
const STEP_BYTES = 1 << 20;
const LBA_BYTES = 512;

/** Partitions have the size of what is in them, as far as sectors go. */
export async function gptDisk(path: string, parts: readonly DiskPart[]): Promise<string> {
  const places = await lay(path, parts);
  const words = parts.flatMap(({ label, type }, i) => [
    ...["-n", `${i + 1}:${places[i]!.firstLba}:${places[i]!.lastLba}`],
    ...label === undefined ? [] : ["-c", `${i + 1}:${label}`],
    ...type === undefined ? [] : ["-t", `${i + 1}:${type}`],
  ]);
  await must("sgdisk", ["-a", "1", ...words, path]);
  return path;
}

export async function mbrDisk(path: string, parts: readonly DiskPart[]): Promise<string> {
  const places = await lay(path, parts);
  const lines = parts.map(({ type }, i) => {
    const { firstLba, lastLba } = places[i]!;
    return `start=${firstLba}, size=${lastLba - firstLba + 1}, type=${type ?? "83"}`;
  });
  await must("sfdisk", ["-q", path], `label: dos\n${lines.join("\n")}\n`);
  return path;
}

/** A FAT image of 4 MiB; folders come by themselves. */
export async function fatImage(
  dir: string,
  files: Readonly<Record<string, Uint8Array>>,
): Promise<Uint8Array<ArrayBuffer>> {
  const image = `${dir}/fat.img`;
  await makeDisk(image, 4 << 20);
  await must("mkfs.vfat", ["-n", "BOOT", image]);
  const made = new Set<string>();
  for (const [name, bytes] of Object.entries(files)) {
    const folders = name.split("/").slice(0, -1);
    for (let i = 1; i <= folders.length; i++) {
      const folder = folders.slice(0, i).join("/");
      if (!made.has(folder)) await must("mmd", ["-i", image, `::/${folder}`]);
      made.add(folder);
    }
    await Deno.writeFile(`${dir}/fat.file`, bytes);
    await must("mcopy", ["-i", image, `${dir}/fat.file`, `::/${name}`]);
  }
  const bytes = await Deno.readFile(image);
  await Deno.remove(image);
  return bytes;
}

/** Tools that all of these need. */
export const DISK_TOOLS = ["sgdisk", "sfdisk", "mkfs.vfat", "mcopy", "mmd"];

async function lay(path: string, parts: readonly DiskPart[]) {
  const places: { firstLba: number; lastLba: number }[] = [];
  let at = STEP_BYTES;
  for (const { bytes } of parts) {
    const lbaCount = Math.ceil(bytes.length / LBA_BYTES);
    places.push({ firstLba: at / LBA_BYTES, lastLba: at / LBA_BYTES + lbaCount - 1 });
    at += Math.ceil(bytes.length / STEP_BYTES) * STEP_BYTES;
  }
  await makeDisk(path, at + STEP_BYTES);
  using disk = await Deno.open(path, { write: true });
  for (const [i, { bytes }] of parts.entries()) {
    await disk.seek(places[i]!.firstLba * LBA_BYTES, Deno.SeekMode.Start);
    for (let done = 0; done < bytes.length;) done += await disk.write(bytes.subarray(done));
  }
  return places;
}
