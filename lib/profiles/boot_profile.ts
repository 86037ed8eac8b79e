/** What is booted and where it comes from, and what stage0 gets with it: a boot profile as a value. */
import type { Pipeline } from "../images/pipeline/pipeline.ts";

/** A file system and the pipeline that makes its image. */
export interface ArtifactSource {
  /** `fat` cannot be a root: it is for kernel and dtbs. */
  readonly filesystem: "erofs" | "ext4" | "fat";
  /** The file system holds an OSTree deployment instead of the root itself. */
  readonly isOstree: boolean;
  readonly pipeline: Pipeline;
}

/** A file or directory inside such a file system. */
export interface ArtifactFile extends ArtifactSource {
  readonly path: string;
}

/** What one device gets besides. */
export interface BootProfileDevice {
  /** Compiled overlays (DTBO), after the profile's own. */
  readonly dtOverlays: readonly Uint8Array[];
  readonly extraCmdline?: string;
  readonly kernelModules: readonly string[];
  /** `compatible` strings of the nodes that get a MAC address. */
  readonly injectMac?: { readonly wifi?: string; readonly bluetooth?: string };
}

export interface BootProfile {
  readonly id: string;
  readonly displayName?: string;
  readonly rootfs: ArtifactSource;
  readonly kernel?: ArtifactFile;
  /** A directory of DTBs, or one `.dtb`. */
  readonly dtbs?: ArtifactFile;
  readonly dtOverlays: readonly Uint8Array[];
  readonly extraCmdline?: string;
  readonly stage0: {
    /** Loaded before the device's. */
    readonly kernelModules: readonly string[];
    /** By id of the device profile; empty: every device will do. */
    readonly devices: ReadonlyMap<string, BootProfileDevice>;
  };
}

/** The pipelines of a profile: rootfs, kernel, dtbs. */
export function pipelinesOf({ rootfs, kernel, dtbs }: BootProfile): Pipeline[] {
  return [rootfs, kernel, dtbs].flatMap((part) => part === undefined ? [] : [part.pipeline]);
}
