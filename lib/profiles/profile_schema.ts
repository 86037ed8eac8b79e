/** The keys of a device profile file. Every object refuses keys it does not know. */
import * as v from "valibot";

const U32 = 0xffff_ffff;

const text = (mostCharacters: number) =>
  v.pipe(
    v.string(),
    v.minLength(1, "must not be empty"),
    v.maxLength(mostCharacters, `must have at most ${mostCharacters} characters`),
    // deno-lint-ignore no-control-regex
    v.regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, "must not hold control characters"),
  );
const integer = (most: number) =>
  v.pipe(
    v.number("must be a number"),
    v.integer("must be an integer"),
    v.minValue(0, "must not be negative"),
    v.maxValue(most, `must be at most ${most}`),
  );
const list = <T extends v.GenericSchema>(item: T) =>
  v.pipe(v.array(item), v.maxLength(256, "must have at most 256 items"));

const GETVAR = { "fastboot.getvar": text(64) };

/** Exactly one condition stands beside the variable's name. */
const probeStep = v.union([
  v.strictObject({ ...GETVAR, equals: text(256) }),
  v.strictObject({ ...GETVAR, starts_with: text(256) }),
  v.strictObject({ ...GETVAR, not_equals: text(256) }),
  v.strictObject({ ...GETVAR, exists: v.null() }),
  v.strictObject({ ...GETVAR, not_exists: v.null() }),
], "must be fastboot.getvar with one of equals, starts_with, not_equals, exists:, not_exists:");

const bootimg = v.strictObject({
  header_version: v.picklist([0, 1, 2], "must be 0, 1 or 2"),
  page_size: v.picklist([2048, 4096, 8192, 16384], "must be 2048, 4096, 8192 or 16384"),
  base: v.optional(integer(U32), 0),
  kernel_offset: v.optional(integer(U32), 0x8000),
  ramdisk_offset: v.optional(integer(U32), 0x0100_0000),
  second_offset: v.optional(integer(U32), 0x00f0_0000),
  tags_offset: v.optional(integer(U32), 0x100),
  dtb_offset: v.optional(integer(Number.MAX_SAFE_INTEGER - U32), 0x01f0_0000),
  limits: v.optional(
    v.strictObject({
      max_kernel_bytes: v.optional(integer(U32)),
      max_initrd_bytes: v.optional(integer(U32)),
      max_total_bytes: v.optional(integer(U32)),
    }),
    {},
  ),
  kernel: v.strictObject({
    encoding: v.picklist(
      ["image", "image.gz", "image+dtb", "image.gz+dtb"],
      "must be image, image.gz, image+dtb or image.gz+dtb (lz4 and zst are not supported)",
    ),
  }),
  initrd: v.optional(v.strictObject({
    compress: v.optional(v.literal("none", "must be none: the initramfs is sent uncompressed")),
  })),
  cmdline_append: v.optional(
    v.pipe(text(1536), v.regex(/^[\x20-\x7e]*$/, "must be printable ASCII")),
  ),
});

export const PROFILE_SCHEMA = v.strictObject({
  id: v.pipe(
    v.string(),
    v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "must be letters, digits, '.', '_' and '-'"),
  ),
  display_name: v.optional(text(128)),
  arch: v.optional(v.picklist(["aarch64", "x86_64"], "must be aarch64 or x86_64"), "aarch64"),
  devicetree_name: v.optional(
    v.pipe(
      text(256),
      v.regex(
        /^[A-Za-z0-9][\w,.+-]*(\/[A-Za-z0-9][\w,.+-]*)*$/,
        "must be a path below the devicetree folder, without .dtb: vendor/soc-board",
      ),
    ),
  ),
  match: list(v.strictObject({
    fastboot: v.strictObject({ vid: integer(0xffff), pid: integer(0xffff) }),
  })),
  probe: list(probeStep),
  kernel_modules: v.optional(
    list(v.pipe(
      v.string(),
      v.regex(/^\??[A-Za-z0-9_-]{1,64}$/, "must be a module's name, with ? in front if optional"),
    )),
    [],
  ),
  boot: v.strictObject({
    fastboot_boot: v.pipe(
      v.strictObject({ android_bootimg: v.optional(bootimg), bootimg: v.optional(bootimg) }),
      v.check(
        (boot) => (boot.android_bootimg === undefined) !== (boot.bootimg === undefined),
        "must hold one of android_bootimg and bootimg",
      ),
    ),
  }),
});

/** A profile file that passed. */
export type ProfileFile = v.InferOutput<typeof PROFILE_SCHEMA>;
