import type { FirmwarePolicy } from "../kernel/firmware/firmware_policy.ts";

/** What the user asked `boot` and `stage0` for; the command line's words, already parsed. */
export interface BootRequest {
  /** Root image or boot profile: path or URL. */
  readonly rootfs: string;
  /** Id of the boot profile, where there are several. */
  readonly bootProfile?: string | undefined;
  /** Of a disk image: number, label or PARTUUID of the root partition; absent: found. */
  readonly partition?: string | undefined;
  /** Directory of the kernel tree, or below it; absent: the root image's own kernel. */
  readonly kernel?: string | undefined;
  /** Of several kernels in the root image the one to take; absent: the newest. */
  readonly release?: string | undefined;
  /** Id of the device profile; absent: asked of the phone. */
  readonly deviceProfile?: string | undefined;
  /** Device tree blob that replaces the tree's. */
  readonly dtb?: string | undefined;
  /** Compiled device tree overlays, after the boot profile's. */
  readonly dtbOverlays?: readonly string[] | undefined;
  /** Words for the kernel command line, after all others. */
  readonly append?: string | undefined;
  /** Firmware for modules; absent: none. */
  readonly firmware?: {
    readonly policy: FirmwarePolicy;
    readonly list: readonly string[];
    /** Directory of this machine. */
    readonly dir: string;
    /** `stage0` (default): for the modules it loads; `modules`: for all modules, in their image. */
    readonly into?: "stage0" | "modules" | undefined;
  } | undefined;
  /** Modules for stage0 beyond what it and the profile need; `@set` is a bundled set. */
  readonly requireModules: readonly string[];
  /** Where the modules come from: straight from the build (default), or make's modules_install. */
  readonly modules?: "native" | "make" | undefined;
  /** Directories of modules built outside of the tree (`make M=DIR`). */
  readonly extraModules?: readonly string[] | undefined;
}

/** A boot of a build tree. */
export type TreeRequest = BootRequest & { readonly kernel: string };

export function isTreeRequest(request: BootRequest): request is TreeRequest {
  return request.kernel !== undefined;
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
