/**
 * Android boot image, header versions 0 to 2. All numbers little-endian.
 *
 * Source: AOSP system/tools/mkbootimg, include/bootimg/bootimg.h.
 *
 *   offset size field
 *        0    8 magic "ANDROID!"
 *        8    4 kernel size            12  4 kernel address
 *       16    4 ramdisk size           20  4 ramdisk address (0 when there is none)
 *       24    4 second stage size      28  4 second stage address (0 when there is none)
 *       32    4 tags address           36  4 page size
 *       40    4 header version         44  4 OS version and patch level
 *       48   16 name
 *       64  512 command line, first part
 *      576   32 id: SHA-1 of the sections and their sizes, then zeros
 *      608 1024 command line, second part
 *   1 and 2:
 *     1632    4 recovery DTBO size   1636  8 its offset in the image
 *     1644    4 header size
 *   2:
 *     1648    4 devicetree size      1652  8 devicetree address
 *
 * The header and then kernel, ramdisk, second stage, recovery DTBO (1, 2) and devicetree (2) follow
 * each other, each filled with zeros to whole pages.
 */
export type HeaderVersion = 0 | 1 | 2;

export const MAGIC = "ANDROID!";

export const OFFSET = {
  kernelSize: 8,
  kernelAddress: 12,
  ramdiskSize: 16,
  ramdiskAddress: 20,
  secondSize: 24,
  secondAddress: 28,
  tagsAddress: 32,
  pageSize: 36,
  headerVersion: 40,
  osVersion: 44,
  name: 48,
  cmdline: 64,
  id: 576,
  cmdlineMore: 608,
  recoveryDtboSize: 1632,
  recoveryDtboOffset: 1636,
  headerSize: 1644,
  dtbSize: 1648,
  dtbAddress: 1652,
} as const;

export const HEADER_SIZE_BYTES: Record<HeaderVersion, number> = { 0: 1632, 1: 1648, 2: 1660 };

export const NAME_BYTES = 16;
export const CMDLINE_BYTES = 512;
export const CMDLINE_MORE_BYTES = 1024;
export const ID_BYTES = 32;

/** Sizes mkbootimg offers; boot loaders check no others. */
export const PAGE_SIZES_BYTES: readonly number[] = [2048, 4096, 8192, 16384];

/** Where the boot loader is told to put each part: physical addresses. */
export interface LoadAddresses {
  kernel: number;
  ramdisk: number;
  second: number;
  tags: number;
  /** Header version 2; 64 bits wide in the image. */
  dtb: number;
}
