/**
 * What stage0 is told: one file per setting below `/etc/stage0`, the value followed by a newline. The
 * table in stage0/README.md is the contract; the C side reads the same keys.
 */
import { FastboopError } from "../errors/errors.ts";

export interface Stage0Settings {
  /** File system of export 0. */
  rootfs: "erofs" | "ext4";
  /** Export 1 holds the modules of this release, as ext4. */
  modulesRelease?: string;
  /** iSerialNumber of the gadget, as the bootloader's was. */
  serial?: string;
  /** Absolute path of the init to start. */
  init?: string;
  /** Longest single wait; 1 to 86400. */
  timeoutSeconds?: number;
  onFail?: "bootloader" | "reboot" | "poweroff" | "panic";
  /** Whether `/etc/fstab` is hidden. */
  yeetFstab?: boolean;
  /** USB ids of the gadget. */
  vendorId?: number;
  productId?: number;
  /** Interface ff/42/03, for which hosts have fastboot rules. */
  mimicFastboot?: boolean;
  /** 1 to 64. */
  queueDepth?: number;
  /** Largest request: a multiple of 4096, at most 4 MiB. */
  maxIoBytes?: number;
}

const MAX_IO_BYTES = 4 << 20;

/**
 * Settings as key -> text, without the newline; those that are absent stay absent.
 *
 * @throws {FastboopError} `usage` naming the first setting that stage0 would not understand.
 */
export function encodeSettings(settings: Stage0Settings): Map<string, string> {
  const files = new Map<string, string>();
  files.set("stage0.rootfs", settings.rootfs);
  if (settings.modulesRelease !== undefined) {
    files.set("stage0.modules", "ext4");
    const kver = text("stage0.kver", settings.modulesRelease, /^[A-Za-z0-9._+~-]{1,64}$/);
    files.set("stage0.kver", kver);
  }
  if (settings.serial !== undefined) {
    // A string descriptor holds 126 UTF-16 units (USB 2.0, 9.6.7); blanks at its ends would be lost.
    const serial = text("stage0.serial", settings.serial, /^[!-~](?:[ -~]{0,124}[!-~])?$/);
    files.set("stage0.serial", serial);
  }
  if (settings.init !== undefined) {
    files.set("stage0.init", text("stage0.init", settings.init, /^\/[!-~]{1,254}$/));
  }
  number(files, "stage0.timeout", settings.timeoutSeconds, 1, 86_400);
  if (settings.onFail !== undefined) files.set("stage0.onfail", settings.onFail);
  flag(files, "stage0.yeetfstab", settings.yeetFstab);
  usbId(files, "smoo.vendor", settings.vendorId);
  usbId(files, "smoo.product", settings.productId);
  flag(files, "smoo.mimic_fastboot", settings.mimicFastboot);
  number(files, "smoo.queue_depth", settings.queueDepth, 1, 64);
  if (settings.maxIoBytes !== undefined && settings.maxIoBytes % 4096 !== 0) {
    throw refused("smoo.max_io_bytes", settings.maxIoBytes, "a multiple of 4096");
  }
  number(files, "smoo.max_io_bytes", settings.maxIoBytes, 4096, MAX_IO_BYTES);
  return files;
}

function text(key: string, value: string, shape: RegExp): string {
  if (shape.test(value)) return value;
  throw refused(key, JSON.stringify(value.slice(0, 80)), `of the form ${shape.source}`);
}

function number(
  files: Map<string, string>,
  key: string,
  value: number | undefined,
  low: number,
  high: number,
): void {
  if (value === undefined) return;
  if (!Number.isInteger(value) || value < low || value > high) {
    throw refused(key, value, `${low} to ${high}`);
  }
  files.set(key, String(value));
}

function flag(files: Map<string, string>, key: string, value: boolean | undefined): void {
  if (value !== undefined) files.set(key, value ? "1" : "0");
}

function usbId(files: Map<string, string>, key: string, value: number | undefined): void {
  if (value === undefined) return;
  if (!Number.isInteger(value) || value < 0 || value > 0xffff) throw refused(key, value, "16 bits");
  files.set(key, `0x${value.toString(16).padStart(4, "0")}`);
}

function refused(key: string, value: unknown, must: string): FastboopError {
  return new FastboopError({
    kind: "usage",
    action: `Set ${key}`,
    state: `it is ${value}, must be ${must}`,
    hint: "Correct the option it comes from",
  });
}
