/**
 * What a file of ours is and which build it belongs to: an initramfs, a boot image, a kernel with an
 * initramfs built in, a modules image. Anybody's file of these kinds is told as far as it goes.
 */
import { parseBootImage } from "../bootimg/parse.ts";
import { MAGIC as BOOT_MAGIC } from "../bootimg/layout.ts";
import { FastboopError } from "../errors/errors.ts";
import { compressionAt, decompressAt } from "../filesystems/cpio/decompress_at.ts";
import { isCpio } from "../filesystems/cpio/read_cpio.ts";
import {
  beginsInitramfs,
  type Initramfs,
  readInitramfs,
} from "../filesystems/cpio/read_initramfs.ts";
import { openExt4 } from "../filesystems/ext4/open_ext4.ts";
import { isArm64Image } from "../kernel/arm64_image.ts";
import { embeddedInitramfs } from "../kernel/embedded_initramfs.ts";
import { MAX_KERNEL_BYTES, unwrapKernelImage } from "../kernel/image_format.ts";
import { linuxBanner } from "../kernel/linux_banner.ts";
import { unpackBzImage } from "../kernel/unpack_bzimage.ts";
import { readTreeFile } from "../kernel/read_tree_file.ts";
import { isZboot } from "../kernel/zboot.ts";
import {
  type BuildStamp,
  MAX_STAMP_BYTES,
  MODULES_STAMP_NAME,
  parseStamp,
  STAMP_PATH,
} from "../stage0/build_stamp.ts";
import type { Reader } from "../sources/reader.ts";
import { heldInputs } from "./held_inputs.ts";

export type InspectedKind = "initramfs" | "boot-image" | "kernel" | "modules-image";

export interface Inspection {
  readonly kind: InspectedKind;
  readonly sizeBytes: number;
  /** Absent when the file carries none that can be read. */
  readonly stamp?: BuildStamp;
  /** Why a stamp that is there cannot be read: another version of fastboop wrote it. */
  readonly stampProblem?: string;
  /** SHA-256 of what a boot image holds besides the initramfs: to be compared with its stamp. */
  readonly held?: { readonly kernel?: string; readonly dtb?: string };
  /** Of the initramfs in it. */
  readonly initramfs?: {
    readonly archiveCount: number;
    readonly memberCount: number;
    readonly compressions: readonly string[];
  };
  /** Values below `/etc/stage0`, by name. */
  readonly settings: ReadonlyMap<string, string>;
  /** Of a boot image. */
  readonly bootImage?: {
    readonly headerVersion: number;
    readonly pageSizeBytes: number;
    readonly kernelBytes: number;
    readonly ramdiskBytes: number;
    readonly dtbBytes: number;
    readonly cmdline: string;
    readonly idMatches: boolean;
  };
  /** `6.12.3-lab (who@where) ...` of a kernel. */
  readonly banner?: string;
  /** Label and release of a modules image. */
  readonly modulesImage?: { readonly label: string; readonly releases: readonly string[] };
}

const ACTION = "Inspect the file";
/** A boot image is sent to a phone's memory, and so are the others. */
const MAX_FILE_BYTES = 1 << 30;
/** s_magic and s_volume_name of the superblock at 1024. */
const EXT4_MAGIC_OFFSET = 1024 + 0x38;
const EXT4_LABEL_OFFSET = 1024 + 0x78;
const SETTINGS_FOLDER = "etc/stage0/";
const MAX_SETTING_BYTES = 4096;

/**
 * Reads a file of any of the kinds, told apart by content.
 *
 * @throws {FastboopError} `unsupported` when it is none of them, `corrupt`, `limit`.
 */
export async function inspect(reader: Reader): Promise<Inspection> {
  if (await isExt4(reader)) return await inspectModulesImage(reader);
  if (reader.sizeBytes > MAX_FILE_BYTES) {
    const state = `it has ${reader.sizeBytes} bytes, the limit is ${MAX_FILE_BYTES}`;
    throw new FastboopError({ kind: "limit", action: ACTION, state });
  }
  const bytes = new Uint8Array(reader.sizeBytes);
  await reader.readAt(0, bytes);
  return { sizeBytes: reader.sizeBytes, ...inspectBytes(bytes) };
}

type Found = Omit<Inspection, "sizeBytes">;

function inspectBytes(bytes: Uint8Array): Found {
  if (startsWith(bytes, BOOT_MAGIC)) return inspectBootImage(bytes);
  const kernel = plainKernel(bytes);
  if (kernel !== undefined) {
    const initramfs = embeddedInitramfs(kernel);
    const banner = linuxBanner(kernel);
    return {
      kind: "kernel",
      ...(banner === undefined ? {} : { banner }),
      ...(initramfs === undefined ? { settings: new Map() } : contentOf(initramfs)),
    };
  }
  if (beginsInitramfs(bytes)) {
    return { kind: "initramfs", ...contentOf(readInitramfs(bytes)) };
  }
  throw new FastboopError({
    kind: "unsupported",
    action: ACTION,
    state: "it is neither an initramfs, a boot image, a kernel nor a modules image",
    hint: "Give what fastboop or a kernel build made: stage0.cpio, boot.img, bzImage, Image",
  });
}

function inspectBootImage(bytes: Uint8Array): Found {
  const image = parseBootImage(bytes);
  const content: Content = image.ramdisk.length === 0
    ? { settings: new Map() }
    : contentOf(readInitramfs(image.ramdisk));
  return {
    kind: "boot-image",
    ...content,
    // Of others' images nothing is to be compared, and their kernels may be of any kind.
    ...(content.stamp === undefined ? {} : { held: heldInputs(image) }),
    bootImage: {
      headerVersion: image.headerVersion,
      pageSizeBytes: image.pageSizeBytes,
      kernelBytes: image.kernel.length,
      ramdiskBytes: image.ramdisk.length,
      dtbBytes: image.dtb.length,
      cmdline: image.cmdline,
      idMatches: image.idMatches,
    },
  };
}

/** The uncompressed kernel, undefined when the file is none. */
function plainKernel(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length > 0x268 && startsWith(bytes.subarray(0x202), "HdrS")) {
    return unpackBzImage(bytes, "of the file");
  }
  if (bytes.length < 64) return undefined;
  if (isArm64Image(bytes)) return bytes;
  if (isZboot(bytes)) return unwrapKernelImage(bytes, "aarch64", "of the file").bytes;
  // Image.gz and a compressed initramfs begin alike.
  if (compressionAt(bytes) !== "gzip") return undefined;
  const { bytes: plain } = decompressAt(bytes, 0, "gzip", MAX_KERNEL_BYTES * 2);
  return !isCpio(plain) && plain.length >= 64 && isArm64Image(plain) ? plain : undefined;
}

type Content = Pick<Inspection, "initramfs" | "settings" | "stamp" | "stampProblem">;

function contentOf(initramfs: Initramfs): Content {
  const { members, archiveCount, compressions } = initramfs;
  const settings = new Map<string, string>();
  let stamp: StampOf = {};
  // The kernel lets the last member of a path win.
  for (const { path, data } of members) {
    if (path === STAMP_PATH) stamp = stampOf(data);
    if (!path.startsWith(SETTINGS_FOLDER) || data.length > MAX_SETTING_BYTES) continue;
    const text = new TextDecoder().decode(data).replace(/\n$/, "");
    settings.set(path.slice(SETTINGS_FOLDER.length), text);
  }
  return {
    settings,
    ...stamp,
    initramfs: { archiveCount, memberCount: members.length, compressions },
  };
}

type StampOf = Pick<Inspection, "stamp" | "stampProblem">;

/** A stamp of another version says nothing that could be compared, but the file is told all the same. */
function stampOf(bytes: Uint8Array): StampOf {
  try {
    return { stamp: parseStamp(bytes) };
  } catch (error) {
    if (!(error instanceof FastboopError) || error.kind !== "unsupported") throw error;
    return { stampProblem: `its build stamp is of another version: ${error.state}` };
  }
}

async function isExt4(reader: Reader): Promise<boolean> {
  if (reader.sizeBytes < 2048) return false;
  const magic = new Uint8Array(2);
  await reader.readAt(EXT4_MAGIC_OFFSET, magic);
  if (magic[0] !== 0x53 || magic[1] !== 0xef) return false;
  // Two bytes alone may be anything: a file that begins like another kind is that.
  const head = new Uint8Array(8);
  await reader.readAt(0, head);
  return !startsWith(head, BOOT_MAGIC) && !beginsInitramfs(head);
}

async function inspectModulesImage(reader: Reader): Promise<Inspection> {
  // Not disposed of: that would close the reader, which is the caller's.
  const image = await openExt4(reader);
  const folder = "usr/lib/modules";
  const isThere = (await image.stat(folder))?.kind === "directory";
  const releases = isThere ? (await image.list(folder)).map(({ name }) => name) : [];
  let stamp: StampOf = {};
  for (const release of releases) {
    const path = `${folder}/${release}/${MODULES_STAMP_NAME}`;
    if (await image.stat(path) === undefined) continue;
    stamp = stampOf(await readTreeFile(image, path, MAX_STAMP_BYTES));
  }
  const label = new Uint8Array(16);
  await reader.readAt(EXT4_LABEL_OFFSET, label);
  return {
    kind: "modules-image",
    sizeBytes: reader.sizeBytes,
    settings: new Map(),
    ...stamp,
    modulesImage: {
      label: new TextDecoder("latin1").decode(label).replace(/\0.*$/s, ""),
      releases,
    },
  };
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  if (bytes.length < text.length) return false;
  return [...text].every((character, i) => bytes[i] === character.charCodeAt(0));
}
