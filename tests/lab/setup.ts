/**
 * Prepares the lab, once: packages, a kernel tree, the guest program and a root file system per
 * architecture. Everything is kept below labDirectory() and recognised by its stamp afterwards.
 */
import { ensureBusyboxRoot } from "./busybox_root.ts";
import { ensurePackages } from "./debian_packages.ts";
import { ensureDebianGuest, ensureDebianKernelRoot } from "./debian_kernel_root.ts";
import { debianRelease, ensureDebianModules } from "./debian_modules.ts";
import { ensureDebianRoot } from "./debian_root.ts";
import {
  type DiskRoot,
  ensureBootPartitionDisk,
  ensureGptDisk,
  ensureMbrDisk,
} from "./disk_roots.ts";
import { ensureGuestProgram } from "./guest_program.ts";
import { ensureInstalledKernelRoot } from "./installed_kernel_root.ts";
import { ensureKernelTree, kernelRelease } from "./kernel_tree.ts";
import { type LabArch, labDirectory } from "./lab_directory.ts";

/** Which parts a test needs. */
export interface LabParts {
  arch: LabArch;
  /** Debian exists for x86_64 only. Those with a kernel in them are booted without --kernel. */
  root:
    | ("busybox-merged" | "busybox-split" | "busybox-kernel" | "debian" | "debian-kernel")
    | ("busybox-mbr" | "busybox-gpt" | "busybox-boot");
}

/** Where they are. */
export interface Lab {
  arch: LabArch;
  /** Build tree for `--kernel=DIR`. */
  kernelTree: string;
  /** Of the kernel that is booted. */
  release: string;
  /** Directory of the guest program, for VirtualPhone. */
  guestProgram: string;
  /** What is served: a file system, or a disk with one. */
  rootImage: string;
  /** The file system alone: the guest's root disk. */
  rootFilesystem: string;
}

async function ensureRoot(parts: LabParts, kernelTree: string): Promise<DiskRoot> {
  if (parts.root === "busybox-mbr") return await ensureMbrDisk(parts.arch, kernelTree);
  if (parts.root === "busybox-gpt") return await ensureGptDisk(parts.arch, kernelTree);
  if (parts.root === "busybox-boot") return await ensureBootPartitionDisk(parts.arch, kernelTree);
  const image = await ensureBareRoot(parts, kernelTree);
  return { image, filesystem: image };
}

async function ensureBareRoot(parts: LabParts, kernelTree: string): Promise<string> {
  if (parts.root === "busybox-kernel") {
    return await ensureInstalledKernelRoot(parts.arch, kernelTree);
  }
  if (parts.root === "busybox-merged" || parts.root === "busybox-split") {
    return await ensureBusyboxRoot(
      parts.arch,
      parts.root === "busybox-merged" ? "merged" : "split",
    );
  }
  if (parts.arch !== "x86_64") throw new Error(`no Debian root for ${parts.arch}`);
  const root = await ensureDebianRoot();
  return parts.root === "debian" ? root : await ensureDebianKernelRoot(root);
}

/**
 * Makes what is missing and says where it is. A lock keeps two processes from building at once.
 *
 * @throws {Error} naming the missing packages, or with the failing tool's last lines.
 */
export async function ensureLab(parts: LabParts): Promise<Lab> {
  const lock = await Deno.open(`${labDirectory()}/lock`, { create: true, write: true });
  await lock.lock(true);
  try {
    await ensurePackages();
    // No boot needs them: they judge the tests of modules, and the benches.
    await ensureDebianModules();
    await ensureDebianModules("arm64");
    const kernelTree = await ensureKernelTree(parts.arch);
    const guestProgram = await ensureGuestProgram(parts.arch, kernelTree);
    const { image, filesystem } = await ensureRoot(parts, kernelTree);
    const root = { rootImage: image, rootFilesystem: filesystem };
    if (parts.root === "debian-kernel") {
      const release = debianRelease(await ensureDebianModules());
      const ownGuest = await ensureDebianGuest(guestProgram);
      return { arch: parts.arch, kernelTree, release, guestProgram: ownGuest, ...root };
    }
    const release = await kernelRelease(kernelTree);
    return { arch: parts.arch, kernelTree, release, guestProgram, ...root };
  } finally {
    lock.close();
  }
}
