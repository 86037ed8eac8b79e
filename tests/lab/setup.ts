/**
 * Prepares the lab, once: packages, a kernel tree, the guest program and a root file system per
 * architecture. Everything is kept below labDirectory() and recognised by its stamp afterwards.
 */
import { ensureBusyboxRoot } from "./busybox_root.ts";
import { ensurePackages } from "./debian_packages.ts";
import { ensureDebianRoot } from "./debian_root.ts";
import { ensureGuestProgram } from "./guest_program.ts";
import { ensureKernelTree, kernelRelease } from "./kernel_tree.ts";
import { type LabArch, labDirectory } from "./lab_directory.ts";

/** Which parts a test needs. */
export interface LabParts {
  arch: LabArch;
  /** Debian exists for x86_64 only. */
  root: "busybox-merged" | "busybox-split" | "debian";
}

/** Where they are. */
export interface Lab {
  arch: LabArch;
  /** Build tree for `--kernel=DIR`. */
  kernelTree: string;
  /** Its release. */
  release: string;
  /** Directory of the guest program, for VirtualPhone. */
  guestProgram: string;
  /** EROFS image. */
  rootImage: string;
}

async function ensureRoot(parts: LabParts): Promise<string> {
  if (parts.root !== "debian") {
    return await ensureBusyboxRoot(
      parts.arch,
      parts.root === "busybox-merged" ? "merged" : "split",
    );
  }
  if (parts.arch !== "x86_64") throw new Error(`no Debian root for ${parts.arch}`);
  return await ensureDebianRoot();
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
    const kernelTree = await ensureKernelTree(parts.arch);
    const guestProgram = await ensureGuestProgram(parts.arch, kernelTree);
    const rootImage = await ensureRoot(parts);
    const release = await kernelRelease(kernelTree);
    return { arch: parts.arch, kernelTree, release, guestProgram, rootImage };
  } finally {
    lock.close();
  }
}
