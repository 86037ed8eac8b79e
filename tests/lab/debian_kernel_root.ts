/**
 * Debian with Debian's own kernel in it, as apt would install that: for boots without --kernel. The kernel is
 * the stock one, whose modules are compressed with xz.
 */
import { debianRelease, ensureDebianModules } from "./debian_modules.ts";
import { labDirectory } from "./lab_directory.ts";
import { makeErofs } from "./root_image.ts";
import { runCommand } from "./run_command.ts";
import { buildOnce, digestOf } from "./stamp.ts";

/** What the lab loads into a guest that runs this kernel, as in guest_program.ts. */
const MODULES = ["virtio_net", "dummy_hcd", "usbip-host"];

/**
 * Path of the EROFS image; making it needs root, for the files' owners.
 *
 * @param base EROFS image of Debian without a kernel.
 */
export async function ensureDebianKernelRoot(base: string): Promise<string> {
  const kernel = await ensureDebianModules();
  const release = debianRelease(kernel);
  const image = `${labDirectory()}/debian-kernel-x86_64.ero`;
  const inputs = ["debian-kernel 1", release, await Deno.readTextFile(`${base}.stamp`)];
  await buildOnce(image, digestOf(inputs), async () => {
    if (Deno.uid() !== 0) throw new Error("unpacking a root file system needs root, once");
    console.error("lab: Debian with its own kernel");
    const root = await Deno.makeTempDir({ prefix: "fastboop-lab-debian-" });
    try {
      await runCommand(["fsck.erofs", `--extract=${root}`, "--overwrite", base]);
      await runCommand(["cp", "-a", `${kernel}/boot/.`, `${root}/boot`]);
      await Deno.mkdir(`${root}/usr/lib/modules`, { recursive: true });
      await runCommand(["cp", "-a", `${kernel}/lib/modules/${release}`, `${root}/usr/lib/modules`]);
      await Deno.symlink(`boot/vmlinuz-${release}`, `${root}/vmlinuz`);
      await makeErofs(root, image, { compressed: true, allRoot: false });
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  });
  return image;
}

/**
 * The lab's own part of a guest that runs Debian's kernel.
 *
 * @param program what ensureGuestProgram() made for another kernel of the architecture.
 */
export async function ensureDebianGuest(program: string): Promise<string> {
  const kernel = await ensureDebianModules();
  const release = debianRelease(kernel);
  const directory = `${labDirectory()}/guest-debian-x86_64`;
  const inputs = ["guest-debian 1", release, ...MODULES, await Deno.readFile(`${program}/init`)];
  await buildOnce(directory, digestOf(inputs), async () => {
    await Deno.remove(directory, { recursive: true }).catch(() => {});
    await Deno.mkdir(`${directory}/modules`, { recursive: true });
    await Deno.copyFile(`${program}/init`, `${directory}/init`);
    const files: string[] = [];
    for (const path of await loadOrder(kernel, release)) {
      const file = path.split("/").at(-1)!.replace(/\.xz$/, "");
      const { stdout, success } = await new Deno.Command("xz", { args: ["-dc", path] }).output();
      if (!success) throw new Error(`xz cannot unpack ${path}`);
      await Deno.writeFile(`${directory}/modules/${file}`, stdout);
      files.push(file);
    }
    await Deno.writeTextFile(`${directory}/order`, files.join("\n") + "\n");
  });
  return directory;
}

/** MODULES with what they depend on, each once and after its dependencies. */
async function loadOrder(kernel: string, release: string): Promise<string[]> {
  const words = ["-d", kernel, "-S", release, "--show-depends", "-a", ...MODULES];
  const lines = (await runCommand(["/sbin/modprobe", ...words])).split("\n");
  const paths = lines.flatMap((line) => /^insmod (\S+)/.exec(line)?.[1] ?? []);
  return [...new Set(paths)];
}
