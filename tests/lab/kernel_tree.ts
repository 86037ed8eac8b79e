/**
 * The lab's kernel trees: Debian's linux-source with tinyconfig and the fragments of kernel/, built with
 * `O=` as a developer's tree would be. About four minutes per architecture on two cores.
 */
import type { LabArch } from "./lab_directory.ts";
import { labDirectory } from "./lab_directory.ts";
import { runCommand } from "./run_command.ts";
import { buildOnce, digestOf } from "./stamp.ts";

const SOURCE_ARCHIVE = "/usr/src/linux-source-6.12.tar.xz";
const FRAGMENTS = `${import.meta.dirname}/kernel`;

const MAKE: Record<LabArch, { words: string[]; image: string }> = {
  x86_64: { words: ["ARCH=x86_64"], image: "arch/x86/boot/bzImage" },
  aarch64: {
    words: ["ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-"],
    image: "arch/arm64/boot/Image.gz",
  },
};

/** Device tree that QEMU's machine describes itself with, at the place of any other board's. */
export const VIRT_DTB = "arch/arm64/boot/dts/qemu/virt.dtb";

async function sourceVersion(): Promise<string> {
  return await runCommand(["dpkg-query", "-W", "-f", "${Version}", "linux-source-6.12"]);
}

/** Directory of the kernel's sources, unpacked when they are not there yet. */
export async function ensureKernelSource(): Promise<string> {
  return await unpackSource(await sourceVersion());
}

async function unpackSource(version: string): Promise<string> {
  const source = `${labDirectory()}/linux-source-6.12`;
  await buildOnce(source, digestOf([version]), async () => {
    const makefile = await Deno.readTextFile(`${source}/Makefile`).catch(() => "");
    const number = ["VERSION", "PATCHLEVEL", "SUBLEVEL"].map((name) =>
      new RegExp(`^${name} = (\\d+)$`, "m").exec(makefile)?.[1]
    );
    if (version.startsWith(`${number.join(".")}-`)) return;
    await Deno.remove(source, { recursive: true }).catch(() => {});
    await runCommand(["tar", "-xf", SOURCE_ARCHIVE, "-C", labDirectory()]);
  });
  return source;
}

/** The complete configuration, made in a directory of its own so that the tree keeps its times. */
async function configure(arch: LabArch, source: string): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "fastboop-lab-config-" });
  try {
    const make = ["make", "-s", "-C", source, `O=${directory}`, ...MAKE[arch].words];
    await runCommand([...make, "tinyconfig"]);
    await runCommand([
      `${source}/scripts/kconfig/merge_config.sh`,
      ...["-m", "-O", directory, `${directory}/.config`],
      ...[`${FRAGMENTS}/common.config`, `${FRAGMENTS}/${arch}.config`],
    ], { cwd: directory });
    await runCommand([...make, "olddefconfig"]);
    return await Deno.readTextFile(`${directory}/.config`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function makeTree(arch: LabArch, source: string, tree: string): Promise<void> {
  const config = await configure(arch, source);
  const former = await Deno.readTextFile(`${tree}/.config`).catch(() => "");
  if (former !== config) {
    await Deno.mkdir(tree, { recursive: true });
    await Deno.writeTextFile(`${tree}/.config`, config);
  }
  console.error(`lab: kernel for ${arch} (minutes when it is not built yet)`);
  const { words, image } = MAKE[arch];
  const jobs = `-j${navigator.hardwareConcurrency}`;
  const target = image.split("/").at(-1)!;
  await runCommand(["make", "-s", "-C", source, `O=${tree}`, ...words, jobs, target, "modules"]);
  if (arch === "aarch64") await dumpVirtTree(`${tree}/${VIRT_DTB}`);
}

/**
 * Keeps what the blob uses. QEMU dumps it with its buffer of 1 MiB, doubles that when it loads the blob
 * again, and arm64 refuses a device tree of more than 2 MiB without a word.
 */
function trimBlob(blob: Uint8Array): Uint8Array {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  const end = (offsetField: number, sizeField: number) =>
    view.getUint32(offsetField) + view.getUint32(sizeField);
  const sizeBytes = Math.max(end(8, 36), end(12, 32));
  view.setUint32(4, sizeBytes);
  return blob.subarray(0, sizeBytes);
}

/** The machine's own device tree: the same one on each call, without random seeds. */
async function dumpVirtTree(path: string): Promise<void> {
  await Deno.mkdir(path.replace(/\/[^/]*$/, ""), { recursive: true });
  const machine = `virt,gic-version=2,dtb-randomness=off,dumpdtb=${path}`;
  const words = ["-machine", machine, "-cpu", "cortex-a57", "-smp", "1", "-display", "none"];
  await runCommand(["qemu-system-aarch64", ...words]);
  await Deno.writeFile(path, trimBlob(await Deno.readFile(path)));
}

/**
 * The finished build tree of one architecture.
 *
 * @returns its directory, which is what `--kernel=DIR` takes.
 */
export async function ensureKernelTree(arch: LabArch): Promise<string> {
  const tree = `${labDirectory()}/kernel-${arch}`;
  const version = await sourceVersion();
  const fragments = [`${FRAGMENTS}/common.config`, `${FRAGMENTS}/${arch}.config`];
  const texts = await Promise.all(fragments.map((path) => Deno.readTextFile(path)));
  await buildOnce(tree, digestOf(["tree 2", version, ...texts]), async () => {
    await makeTree(arch, await unpackSource(version), tree);
  });
  return tree;
}

/** The release of a built tree, as `uname -r` says it in the guest. */
export async function kernelRelease(tree: string): Promise<string> {
  return (await Deno.readTextFile(`${tree}/include/config/kernel.release`)).trim();
}
