/** A root file system with a kernel of its own, in miniature: what `fastboop boot` without --kernel needs. */
import { zstdCompressSync } from "node:zlib";
import { Ext4Image } from "../../lib/filesystems/ext4/image.ts";
import { layoutExt4 } from "../../lib/filesystems/ext4/layout.ts";
import type { Arch } from "../../lib/kernel/arch.ts";
import { arm64Image, bzImage, moduleElf, RELEASE, temporary } from "../kernel/fixture_tree.ts";
import { type RootFiles, rootTree } from "../kernel/root_kernel/root_tree.ts";
import { BUILTIN, SYMBOLS } from "./boot_inputs.ts";

export interface RootInputs extends AsyncDisposable {
  /** Temporary directory. */
  readonly dir: string;
  /** The ext4 image, and its bytes. */
  readonly rootPath: string;
  readonly root: Uint8Array<ArrayBuffer>;
  readonly env: Record<string, string>;
}

/** What the root holds when nothing else is said: a distribution's kernel with compressed modules. */
export function rootFiles(arch: Arch = "x86_64", release = RELEASE): RootFiles {
  const machine = arch === "x86_64" ? 62 : 183;
  const modules = `usr/lib/modules/${release}`;
  const module = (depends: string) =>
    zstdCompressSync(moduleElf({ machine, depends, vermagic: `${release} SMP ` }));
  return {
    [`boot/vmlinuz-${release}`]: arch === "x86_64" ? bzImage(release) : arm64Image(release),
    [`boot/config-${release}`]: [
      ...SYMBOLS.map((symbol) => `CONFIG_${symbol}=y`),
      ...["CONFIG_MODULES=y", "CONFIG_EROFS_FS=m", ""],
    ].join("\n"),
    [`${modules}/modules.dep`]: "kernel/erofs.ko.zst: kernel/crc.ko.zst\nkernel/crc.ko.zst:\n",
    [`${modules}/modules.softdep`]: "",
    [`${modules}/modules.alias`]: "",
    [`${modules}/modules.builtin`]: BUILTIN.map((name) => `kernel/${name}.ko\n`).join(""),
    [`${modules}/kernel/erofs.ko.zst`]: module("crc"),
    [`${modules}/kernel/crc.ko.zst`]: module(""),
    "sbin/init": "#!/bin/sh\n",
  };
}

/** Writes the image of `files` into a directory of its own. */
export async function rootInputs(files: RootFiles = rootFiles()): Promise<RootInputs> {
  const held = await temporary();
  const image = new Ext4Image(await layoutExt4(rootTree(files), { label: "root" }));
  const root = new Uint8Array(image.sizeBytes);
  await image.readAt(0, root);
  await image[Symbol.asyncDispose]();
  const rootPath = `${held.path}/root.ext4`;
  await Deno.writeFile(rootPath, root);
  return {
    ...{ dir: held.path, root, rootPath, env: { PATH: "/usr/bin:/bin" } },
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}
