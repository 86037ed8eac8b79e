/**
 * The lab's own part of the guest: guest/*.c as one static program, and the modules of the virtual
 * USB port in load order. It reaches the guest as a second cpio behind the boot image's initramfs.
 */
import type { LabArch } from "./lab_directory.ts";
import { labDirectory } from "./lab_directory.ts";
import { unpackForeign } from "./debian_packages.ts";
import { kernelRelease } from "./kernel_tree.ts";
import { runCommand } from "./run_command.ts";
import { buildOnce, digestOf } from "./stamp.ts";

const SOURCES = ["lab_init.c", "lab_export.c", "lab_control.c"];
const FLAGS = ["-std=c11", "-Os", "-Wall", "-Wextra", "-Werror", "-static", "-s"];

/** What the lab loads; what these depend on comes first by itself. */
const MODULES = ["virtio_net", "dummy_hcd", "usbip-host"];

async function compile(arch: LabArch, output: string): Promise<void> {
  const sources = SOURCES.map((name) => `${import.meta.dirname}/guest/${name}`);
  if (arch === "x86_64") {
    await runCommand(["musl-gcc", ...FLAGS, "-o", output, ...sources]);
    return;
  }
  // Debian's musl-gcc knows its own architecture only: take the other one's libc by hand.
  const musl = await Deno.makeTempDir({ prefix: "fastboop-lab-musl-" });
  try {
    await unpackForeign("arm64", ["musl-dev"], musl);
    const libraries = `${musl}/usr/lib/aarch64-linux-musl`;
    await runCommand([
      "aarch64-linux-gnu-gcc",
      ...FLAGS,
      ...["-nostdinc", "-isystem", `${musl}/usr/include/aarch64-linux-musl`],
      ...["-nostdlib", "-mno-outline-atomics", "-o", output],
      ...[`${libraries}/crt1.o`, `${libraries}/crti.o`, ...sources],
      ...[`${libraries}/libc.a`, "-lgcc", `${libraries}/crtn.o`],
    ]);
  } finally {
    await Deno.remove(musl, { recursive: true });
  }
}

/** Paths of all modules of a build tree by name, `-` and `_` being the same. */
async function treeModules(tree: string): Promise<Map<string, string>> {
  const order = await Deno.readTextFile(`${tree}/modules.order`);
  const paths = new Map<string, string>();
  for (const line of order.trim().split("\n")) {
    const path = `${tree}/${line.replace(/\.o$/, ".ko")}`;
    paths.set(path.split("/").at(-1)!.replace(/\.ko$/, "").replaceAll("-", "_"), path);
  }
  return paths;
}

/** MODULES with what they depend on, each after its dependencies. */
async function loadOrder(tree: string): Promise<string[]> {
  const paths = await treeModules(tree);
  const order: string[] = [];
  const visit = async (name: string): Promise<void> => {
    const path = paths.get(name.replaceAll("-", "_"));
    if (!path) throw new Error(`the kernel tree ${tree} has no module ${name}`);
    if (order.includes(path)) return;
    const depends = (await runCommand(["modinfo", "-F", "depends", path])).trim();
    for (const dependency of depends === "" ? [] : depends.split(",")) await visit(dependency);
    order.push(path);
  };
  for (const name of MODULES) await visit(name);
  return order;
}

/**
 * Directory with `init`, `order` (file names, first to load first) and `modules/`, made once per
 * architecture, program text and kernel build.
 */
export async function ensureGuestProgram(arch: LabArch, tree: string): Promise<string> {
  const directory = `${labDirectory()}/guest-${arch}`;
  const names = [...SOURCES, "lab.h"].map((name) => `${import.meta.dirname}/guest/${name}`);
  const texts = await Promise.all(names.map((path) => Deno.readTextFile(path)));
  const built = (await Deno.stat(`${tree}/modules.order`)).mtime?.toISOString() ?? "";
  const inputs = ["guest 1", tree, built, await kernelRelease(tree), ...MODULES, ...texts];
  await buildOnce(directory, digestOf(inputs), async () => {
    await Deno.remove(directory, { recursive: true }).catch(() => {});
    await Deno.mkdir(`${directory}/modules`, { recursive: true });
    await compile(arch, `${directory}/init`);
    const order = await loadOrder(tree);
    const files = order.map((path) => path.split("/").at(-1)!);
    for (const [i, path] of order.entries()) {
      await Deno.copyFile(path, `${directory}/modules/${files[i]}`);
    }
    await Deno.writeTextFile(`${directory}/order`, files.join("\n") + "\n");
  });
  return directory;
}
