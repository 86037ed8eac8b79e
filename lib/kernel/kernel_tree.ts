/** A built kernel tree, found and checked. */
import type { Arch } from "./arch.ts";
import type { KernelImage } from "./image_format.ts";
import type { Kconfig } from "./kconfig.ts";
import type { Toolchain } from "./toolchain_of.ts";

/** Where the tree lies. */
export interface TreeLocation {
  /** Sources, when they are known; equal to `outDir` for a build inside of them. */
  readonly sourceDir?: string;
  /** Where `.config` and what was built are. */
  readonly outDir: string;
}

/** The board's flattened device tree. */
export interface TreeDtb {
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface KernelTree extends TreeLocation {
  readonly arch: Arch;
  readonly toolchain: Toolchain;
  readonly kconfig: Kconfig;
  /** What `uname -r` will say. */
  readonly release: string;
  readonly imagePath: string;
  readonly image: KernelImage;
  /** Present when a device tree was asked for. */
  readonly dtb?: TreeDtb;
  /** Modules that were built; 0 when the configuration has none. */
  readonly moduleCount: number;
}
