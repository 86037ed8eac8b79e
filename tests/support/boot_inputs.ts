/** What `fastboop boot` needs, in miniature: a root image, a built kernel tree and a make for it. */
import type { Arch } from "../../lib/kernel/arch.ts";
import {
  fakeMake,
  RELEASE,
  setTime,
  SOURCE_FILES,
  temporary,
  writeBuild,
  writeFiles,
} from "../kernel/fixture_tree.ts";
import { PatternReader } from "./pattern_reader.ts";

/** What stage0 needs, all built in. */
export const SYMBOLS = [
  ...["BLK_DEV_INITRD", "PROC_FS", "SYSFS", "DEVTMPFS", "TMPFS", "TMPFS_XATTR", "CONFIGFS_FS"],
  ...["USB_GADGET", "USB_CONFIGFS", "USB_CONFIGFS_F_FS", "AIO", "IO_URING", "BLK_DEV_UBLK"],
  ...["OVERLAY_FS", "EXT4_FS"],
];
export const BUILTIN = ["configfs", "libcomposite", "usb_f_fs", "ublk_drv", "overlay", "ext4"];
const MODULES = ["fs/erofs/erofs", "lib/libcrc32c"];

export const ROOT_BYTES = 1 << 20;

export interface BootInputs extends AsyncDisposable {
  /** Temporary directory of them all. */
  readonly dir: string;
  /** The kernel tree. */
  readonly tree: string;
  /** EROFS by its superblock. */
  readonly rootPath: string;
  readonly root: Uint8Array<ArrayBuffer>;
  /** PATH with a make that installs the modules. */
  readonly env: Record<string, string>;
}

/** @param more.install lines of shell that make runs first. */
export async function bootInputs(
  more: { arch?: Arch; folder?: string; install?: string } = {},
): Promise<BootInputs> {
  const held = await temporary();
  const dir = held.path;
  const tree = `${dir}/${more.folder ?? "linux"}`;
  await writeTree(tree, more.arch ?? "x86_64");
  const root = rootImage();
  await Deno.writeFile(`${dir}/rootfs.ero`, root);
  return {
    ...{ dir, tree, root, rootPath: `${dir}/rootfs.ero` },
    env: await fakeMake(`${dir}/bin`, `${more.install ?? ""}\n${installScript(tree)}`),
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

/** An EROFS superblock with blocks of 4 KiB, and around it a pattern that no block repeats. */
export function rootImage(sizeBytes = ROOT_BYTES, seed = 0xcab1e): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes);
  new PatternReader({ seed, blockSizeBytes: 4096, sizeBytes }).fill(0, bytes);
  const view = new DataView(bytes.buffer, 1024);
  view.setUint32(0, 0xe0f5e1e2, true);
  view.setUint8(12, 12);
  return bytes;
}

/** A tree that is built and has all that stage0 asks for. */
export async function writeTree(tree: string, arch: Arch): Promise<void> {
  await writeFiles(tree, SOURCE_FILES);
  await writeBuild(tree, arch);
  const config = await Deno.readTextFile(`${tree}/.config`) +
    SYMBOLS.map((symbol) => `CONFIG_${symbol}=y\n`).join("");
  const builtin = BUILTIN.map((name) => `kernel/${name}.ko\n`).join("");
  await writeFiles(tree, {
    ".config": config,
    "include/config/auto.conf": config,
    "modules.builtin": builtin,
  });
  await setTime(`${tree}/.config`, 0);
  await setTime(`${tree}/include/config/auto.conf`, 1);
}

/** What modules_install and depmod leave, in shell. */
function installScript(tree: string): string {
  const folder = `"$p/lib/modules/${RELEASE}"`;
  return [
    'for a in "$@"; do case "$a" in INSTALL_MOD_PATH=*) p=${a#*=};; esac; done',
    ...MODULES.map((stem) => {
      const parent = stem.slice(0, stem.lastIndexOf("/"));
      return `mkdir -p ${folder}/kernel/${parent}; cp "${tree}/${stem}.ko" ${folder}/kernel/${parent}/`;
    }),
    `cd ${folder} || exit 2`,
    "printf 'kernel/fs/erofs/erofs.ko: kernel/lib/libcrc32c.ko\\nkernel/lib/libcrc32c.ko:\\n' > modules.dep",
    ": > modules.softdep; : > modules.alias",
    `printf 'kernel/%s.ko\\n' ${BUILTIN.join(" ")} > modules.builtin`,
  ].join("\n");
}
