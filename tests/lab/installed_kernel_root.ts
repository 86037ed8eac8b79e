/**
 * The busybox root with the lab's own kernel installed as a distribution would have it: a compressed image,
 * its configuration and device tree below /boot, the modules below /usr/lib/modules. On ext4.
 */
import { ensureBusyboxRoot } from "./busybox_root.ts";
import { kernelRelease, VIRT_DTB } from "./kernel_tree.ts";
import { type LabArch, labDirectory } from "./lab_directory.ts";
import { runCommand } from "./run_command.ts";
import { buildOnce, digestOf } from "./stamp.ts";

const INSTALLED: Record<LabArch, { image: string; words: string[]; dtb?: string }> = {
  x86_64: { image: "arch/x86/boot/bzImage", words: ["ARCH=x86_64"] },
  aarch64: {
    image: "arch/arm64/boot/Image.gz",
    words: ["ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-"],
    dtb: VIRT_DTB,
  },
};

/** Installs the modules into `root` and what a boot loader reads into `boot`. */
export async function installKernel(
  arch: LabArch,
  tree: string,
  root: string,
  boot = `${root}/boot`,
): Promise<void> {
  const { image, words, dtb } = INSTALLED[arch];
  const release = await kernelRelease(tree);
  await Deno.mkdir(boot);
  await Deno.copyFile(`${tree}/${image}`, `${boot}/vmlinuz-${release}`);
  await Deno.copyFile(`${tree}/.config`, `${boot}/config-${release}`);
  if (dtb !== undefined) {
    const boards = `${boot}/dtbs/${release}/${dtb.split("/").at(-2)}`;
    await Deno.mkdir(boards, { recursive: true });
    await Deno.copyFile(`${tree}/${dtb}`, `${boards}/${dtb.split("/").at(-1)}`);
  }
  // Where `lib` is a link, this is usr/lib/modules.
  const options = [`INSTALL_MOD_PATH=${root}/usr`, "INSTALL_MOD_STRIP=1"];
  await runCommand(["make", "-s", "-C", tree, ...words, ...options, "modules_install"]);
  await Deno.remove(`${root}/usr/lib/modules/${release}/build`).catch(() => {});
}

/** Path of the ext4 image; making it needs root, for the files' owners. */
export async function ensureInstalledKernelRoot(arch: LabArch, tree: string): Promise<string> {
  const base = await ensureBusyboxRoot(arch, "merged");
  const image = `${labDirectory()}/busybox-kernel-${arch}.ext4`;
  const stamps = [`${base}.stamp`, `${tree}.stamp`].map((path) => Deno.readTextFileSync(path));
  await buildOnce(image, digestOf(["busybox-kernel 1", ...stamps]), async () => {
    if (Deno.uid() !== 0) throw new Error("unpacking a root file system needs root, once");
    const root = await Deno.makeTempDir({ prefix: "fastboop-lab-root-" });
    try {
      await runCommand(["fsck.erofs", `--extract=${root}`, "--overwrite", base]);
      await installKernel(arch, tree, root);
      await Deno.remove(`${image}.part`).catch(() => {});
      const format = ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", root];
      await runCommand([...format, `${image}.part`, "96M"]);
      await Deno.rename(`${image}.part`, image);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  });
  return image;
}
