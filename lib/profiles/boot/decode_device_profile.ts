/**
 * A compiled device profile of a channel -> the device profile. Source: fastboop-cli.md 2.4.
 *
 * Shape: `FBOODEVP`, u16 version 0, postcard. A record that is whole but asks for what fastboop cannot do (a kernel
 * compressed as lz4, say) is told apart from a broken one: the channel around it can still be read.
 */
import { PostcardReader } from "../../bytes/postcard.ts";
import { FastboopError } from "../../errors/errors.ts";
import { MAX_TEXT_BYTES } from "../../images/pipeline/pipeline_rules.ts";
import { type DeviceProfile, parseDeviceProfile } from "../device_profile.ts";
import { MAX_LIST_ITEMS } from "./boot_profile_rules.ts";
import { DEVICE_PROFILE_MAGIC } from "./record_magics.ts";

export interface DeviceProfileRecord {
  readonly id: string;
  /** Absent when fastboop cannot use it. */
  readonly profile?: DeviceProfile;
  /** Why it cannot. */
  readonly problem?: string;
  readonly sizeBytes: number;
}

const ENCODINGS = ["image", "image.gz", "image.lz4", "image.zst"]
  .flatMap((name) => [name, `${name}+dtb`]);
const COMPRESSIONS = ["none", "gzip", "lz4", "zstd"];

/**
 * Decodes the record at the start of `bytes`.
 *
 * @throws {FastboopError} `corrupt`, `limit`, `unsupported` for another version.
 */
export function decodeDeviceProfile(
  bytes: Uint8Array,
  what = "the compiled device profile",
): DeviceProfileRecord {
  const reader = new PostcardReader(bytes, `Read ${what}`);
  const magic = new TextDecoder("latin1").decode(reader.raw(DEVICE_PROFILE_MAGIC.length));
  if (magic !== DEVICE_PROFILE_MAGIC) reader.fail(`it does not begin with ${DEVICE_PROFILE_MAGIC}`);
  const version = reader.byte() + reader.byte() * 256;
  if (version !== 0) reader.fail(`its version is ${version}, 0 is read`, "unsupported");
  const file = readFile(reader);
  const sizeBytes = reader.offsetBytes;
  try {
    const profile = parseDeviceProfile(JSON.stringify(file), what);
    return { id: file.id, profile, sizeBytes };
  } catch (error) {
    if (!(error instanceof FastboopError)) throw error;
    return { id: file.id, problem: error.state, sizeBytes };
  }
}

/** The record as a device profile's file says it, for the one place that judges those. */
function readFile(reader: PostcardReader) {
  const text = () => reader.string(MAX_TEXT_BYTES);
  const u16 = () => reader.varint("u16");
  return {
    id: text(),
    display_name: reader.option(text),
    devicetree_name: text(),
    match: reader.list(2, MAX_LIST_ITEMS, () => ({ fastboot: { vid: u16(), pid: u16() } })),
    probe: reader.list(2, MAX_LIST_ITEMS, () => readProbe(reader)),
    boot: { fastboot_boot: { android_bootimg: readBootImage(reader) } },
  };
}

function readProbe(reader: PostcardReader): Record<string, string | null> {
  const names = ["equals", "starts_with", "not_equals", "exists", "not_exists"];
  const tag = reader.varint("u32");
  const name = names[tag] ?? reader.fail(`no question has the number ${tag}`);
  const variable = reader.string(MAX_TEXT_BYTES);
  const value = tag < 3 ? reader.string(MAX_TEXT_BYTES) : null;
  return { "fastboot.getvar": variable, [name]: value };
}

function readBootImage(reader: PostcardReader) {
  const u64 = () => reader.varint("u64");
  const image = {
    header_version: reader.varint("u32"),
    page_size: reader.varint("u32"),
    base: reader.option(u64),
    kernel_offset: reader.option(u64),
    dtb_offset: reader.option(u64),
    limits: reader.option(() => ({
      max_kernel_bytes: reader.option(u64),
      max_initrd_bytes: reader.option(u64),
      max_total_bytes: reader.option(u64),
    })),
    kernel: { encoding: nameOf(reader, ENCODINGS) },
  };
  const initrd = reader.option(() => {
    const compress = reader.option(() => nameOf(reader, COMPRESSIONS));
    return compress === undefined ? {} : { compress };
  });
  const cmdline = reader.option(() => reader.string(MAX_TEXT_BYTES));
  return {
    ...image,
    ...(initrd === undefined ? {} : { initrd }),
    // Upstream's profiles may say "" for none.
    ...(cmdline === undefined || cmdline.trim() === "" ? {} : { cmdline_append: cmdline }),
  };
}

function nameOf(reader: PostcardReader, names: readonly string[]): string {
  const tag = reader.varint("u32");
  return names[tag] ?? reader.fail(`the number ${tag} is none of ${names.join(", ")}`);
}
