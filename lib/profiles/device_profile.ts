/**
 * What a device needs to be recognised and booted, as a YAML (or JSON) file says it.
 *
 * Strict at every level: an unknown or misplaced key is an error with its place, because a key that
 * is ignored in silence boots a phone without its console, or the wrong phone.
 */
import * as v from "valibot";
import { printable } from "../bytes/printable.ts";
import { FastboopError } from "../errors/errors.ts";
import { type ParsedYaml, parseYaml } from "./parse_yaml.ts";
import { PROFILE_SCHEMA, type ProfileFile } from "./profile_schema.ts";

/** USB ids of a device in its bootloader. */
export interface UsbIds {
  readonly vendorId: number;
  readonly productId: number;
}

/** One question to the bootloader. A value of the "missing" kinds is empty, `unknown` or a FAIL. */
export type ProbeStep =
  | { readonly type: "equals" | "starts-with" | "not-equals"; name: string; value: string }
  | { readonly type: "exists" | "not-exists"; name: string };

/** A module stage0 loads for the device's USB stack. */
export interface ProfileModule {
  readonly name: string;
  /** Not an error when the kernel has none of this name: built in, or called otherwise there. */
  readonly optional: boolean;
}

/** The Android boot image the bootloader takes; addresses are physical, offsets added already. */
export interface ProfileBootImage {
  readonly headerVersion: 0 | 1 | 2;
  readonly pageSizeBytes: number;
  readonly addresses: {
    readonly kernel: number;
    readonly ramdisk: number;
    readonly second: number;
    readonly tags: number;
    readonly dtb: number;
  };
  readonly kernelEncoding: "image" | "image.gz" | "image+dtb" | "image.gz+dtb";
  /** 0 means none. */
  readonly limits: {
    readonly maxKernelBytes: number;
    readonly maxRamdiskBytes: number;
    readonly maxTotalBytes: number;
  };
  /** Begins the kernel's command line. */
  readonly cmdlineAppend?: string;
}

export interface DeviceProfile {
  readonly id: string;
  readonly displayName?: string;
  readonly arch: "aarch64" | "x86_64";
  /** Path below the devicetree folder without `.dtb`: `qcom/sdm845-oneplus-fajita`. */
  readonly devicetreeName?: string;
  readonly match: readonly UsbIds[];
  readonly probe: readonly ProbeStep[];
  readonly kernelModules: readonly ProfileModule[];
  readonly bootImage: ProfileBootImage;
}

/**
 * Parses one profile. `what` names the text in errors.
 *
 * @throws {FastboopError} `corrupt` with path, line and column of what is wrong, `limit` above 1 MiB.
 */
export function parseDeviceProfile(text: string, what: string): DeviceProfile {
  const yaml = parseYaml(text, what);
  const result = v.safeParse(PROFILE_SCHEMA, yaml.data);
  const action = `Read ${printable(what)}`;
  if (!result.success) {
    throw new FastboopError({ kind: "corrupt", action, state: explain(result.issues[0], yaml) });
  }
  return toProfile(result.output, action);
}

function explain(issue: v.BaseIssue<unknown>, yaml: ParsedYaml): string {
  const path = (issue.path ?? []).map(({ key }) => key as string | number);
  // valibot expects `never` of a key no strict object knows, and blames the key of one that is absent.
  const unknown = issue.expected === "never";
  const absent = !unknown && issue.input === undefined;
  const name = path.join(".") || "the document";
  const place = yaml.place(path, unknown || absent);
  const state = unknown ? "unknown key" : absent ? "missing" : plain(issue);
  return printable(`${name}: ${state}`).slice(0, 400) + (place ? ` (${place})` : "");
}

function plain({ message, expected, received }: v.BaseIssue<unknown>): string {
  return message.startsWith("must") ? message : `must be ${expected ?? "valid"}, is ${received}`;
}

function toProfile(file: ProfileFile, action: string): DeviceProfile {
  const image = file.boot.fastboot_boot.android_bootimg ?? file.boot.fastboot_boot.bootimg!;
  const address = (name: string, offset: number) => {
    const value = image.base + offset;
    if (value <= 0xffff_ffff) return value;
    const state = `base + ${name} is 0x${value.toString(16)}, beyond 32 bits`;
    throw new FastboopError({ kind: "corrupt", action, state });
  };
  return {
    id: file.id,
    ...(file.display_name === undefined ? {} : { displayName: file.display_name }),
    arch: file.arch,
    ...(file.devicetree_name === undefined ? {} : { devicetreeName: file.devicetree_name }),
    match: file.match.map(({ fastboot }) => ({ vendorId: fastboot.vid, productId: fastboot.pid })),
    probe: file.probe.map(toStep),
    kernelModules: file.kernel_modules.map((text) => ({
      name: text.replace(/^\?/, ""),
      optional: text.startsWith("?"),
    })),
    bootImage: {
      headerVersion: image.header_version,
      pageSizeBytes: image.page_size,
      addresses: {
        kernel: address("kernel_offset", image.kernel_offset),
        ramdisk: address("ramdisk_offset", image.ramdisk_offset),
        second: address("second_offset", image.second_offset),
        tags: address("tags_offset", image.tags_offset),
        dtb: image.base + image.dtb_offset, // 64 bits wide in the header
      },
      kernelEncoding: image.kernel.encoding,
      limits: {
        maxKernelBytes: image.limits.max_kernel_bytes ?? 0,
        maxRamdiskBytes: image.limits.max_initrd_bytes ?? 0,
        maxTotalBytes: image.limits.max_total_bytes ?? 0,
      },
      ...(image.cmdline_append === undefined ? {} : { cmdlineAppend: image.cmdline_append }),
    },
  };
}

function toStep(step: ProfileFile["probe"][number]): ProbeStep {
  const name = step["fastboot.getvar"];
  if ("equals" in step) return { type: "equals", name, value: step.equals };
  if ("starts_with" in step) return { type: "starts-with", name, value: step.starts_with };
  if ("not_equals" in step) return { type: "not-equals", name, value: step.not_equals };
  return { type: "exists" in step ? "exists" : "not-exists", name };
}
