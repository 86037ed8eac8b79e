import type { FirmwarePolicy } from "../kernel/firmware/firmware_policy.ts";

/** What the user asked `boot` and `stage0` for; the command line's words, already parsed. */
export interface BootRequest {
  /** Root image: path or URL. */
  readonly rootfs: string;
  /** Directory of the kernel tree, or below it. */
  readonly kernel: string;
  /** Id of the device profile; absent: asked of the phone. */
  readonly deviceProfile?: string | undefined;
  /** Device tree blob that replaces the tree's. */
  readonly dtb?: string | undefined;
  /** Words for the kernel command line, after all others. */
  readonly append?: string | undefined;
  /** Firmware for stage0's modules; absent: none. */
  readonly firmware?: {
    readonly policy: FirmwarePolicy;
    readonly list: readonly string[];
    /** Directory of this machine. */
    readonly dir: string;
  } | undefined;
  /** Modules for stage0 beyond what it and the profile need; `@set` is a bundled set. */
  readonly requireModules: readonly string[];
  /** Where the modules come from: straight from the build (default), or make's modules_install. */
  readonly modules?: "native" | "make" | undefined;
}

/** Which phone, and how long to look for it. */
export interface PhoneRequest {
  /** `usbip://HOST[:PORT][/BUSID]`; absent: this machine's USB. */
  readonly usb?: string | undefined;
  readonly serial?: string | undefined;
  /** Where it is plugged in, as `detect` shows it. */
  readonly path?: string | undefined;
  /** How long to wait for a phone in fastboot mode; absent: until stopped. */
  readonly waitMs?: number | undefined;
}
