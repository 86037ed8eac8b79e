/**
 * The initramfs that is built into a kernel (CONFIG_INITRAMFS_SOURCE): found by its archive's magic, plain
 * or compressed, in the uncompressed kernel. Source: usr/initramfs_data.S and init/initramfs.c.
 *
 * Nothing in the image points at it but symbols that are stripped, so it is searched for. Every kernel has
 * one: without a source it is the default of three members.
 */
import { FastboopError } from "../errors/errors.ts";
import { compressionAt, decompressAt } from "../filesystems/cpio/decompress_at.ts";
import { type CpioMember, isCpio, readCpio } from "../filesystems/cpio/read_cpio.ts";
import { type Initramfs, readInitramfs } from "../filesystems/cpio/read_initramfs.ts";
import { MAX_KERNEL_BYTES } from "./decompress_kernel.ts";

/** The section is aligned to this much (include/asm-generic/vmlinux.lds.h, INIT_RAM_FS). */
const ALIGNMENT = 4;
/** Places with a fitting signature that are tried; a kernel has a handful. */
const MAX_TRIES = 64;

/**
 * The largest initramfs within `kernel`, undefined when there is none.
 *
 * @param kernel uncompressed: an arm64 Image, or the ELF file inside a bzImage.
 * @throws nothing for content: what only looks like an archive is passed over.
 */
export function embeddedInitramfs(kernel: Uint8Array): Initramfs | undefined {
  let best: Initramfs | undefined;
  let tries = 0;
  for (let at = 0; at < kernel.length && tries < MAX_TRIES; at += ALIGNMENT) {
    const first = kernel[at]!;
    // The first bytes of the four signatures: most places end here.
    if (first !== 0x30 && first !== 0x1f && first !== 0x28 && first !== 0xfd) continue;
    const plain = isCpio(kernel, at);
    if (!plain && compressionAt(kernel, at) === undefined) continue;
    tries++;
    const found = archiveAt(kernel, at, plain);
    if (found === undefined) continue;
    if (best === undefined || weight(found.initramfs) > weight(best)) best = found.initramfs;
    at += found.skipBytes;
  }
  return best;
}

function weight({ members }: Initramfs): number {
  return members.reduce((sum, { data }) => sum + data.length, members.length);
}

function archiveAt(
  kernel: Uint8Array,
  at: number,
  plain: boolean,
): { initramfs: Initramfs; skipBytes: number } | undefined {
  try {
    if (plain) return plainAt(kernel, at);
    const compression = compressionAt(kernel, at)!;
    const { bytes, endBytes } = decompressAt(kernel, at, compression, MAX_KERNEL_BYTES);
    if (!isCpio(bytes)) return undefined;
    const { members, archiveCount } = readInitramfs(bytes);
    const initramfs = { members, archiveCount, compressions: [compression] };
    // Where a format does not tell its end, the search goes on behind the signature.
    const skipBytes = endBytes === kernel.length ? 0 : (endBytes - at - 1) & ~(ALIGNMENT - 1);
    return { initramfs, skipBytes };
  } catch (error) {
    if (error instanceof FastboopError && error.kind !== "internal") return undefined;
    throw error;
  }
}

/** Archives that follow each other; what follows them is the rest of the kernel. */
function plainAt(
  kernel: Uint8Array,
  at: number,
): { initramfs: Initramfs; skipBytes: number } {
  const members: CpioMember[] = [];
  let archiveCount = 0;
  let end = at;
  while (isCpio(kernel, end)) {
    const archive = readCpio(kernel, end);
    for (const member of archive.members) members.push(member);
    archiveCount++;
    // cpio(1) fills its last block of 512 with zeros.
    end = skipPadding(kernel, archive.endBytes);
  }
  const skipBytes = Math.max(0, (end - at) & ~(ALIGNMENT - 1)) - ALIGNMENT;
  return { initramfs: { members, archiveCount, compressions: [] }, skipBytes };
}

function skipPadding(kernel: Uint8Array, offsetBytes: number): number {
  const most = Math.min(kernel.length, offsetBytes + 512);
  let at = offsetBytes;
  while (at < most && kernel[at] === 0) at++;
  return at;
}
