/** A kernel to boot, wherever it comes from: a build tree or a root file system. */
import type { Arch } from "./arch.ts";
import type { KernelImage } from "./image_format.ts";
import type { Kconfig } from "./kconfig.ts";
import type { TreeDtb } from "./kernel_tree.ts";

export interface BootKernel {
  readonly arch: Arch;
  /** What `uname -r` will say: the image's own word. */
  readonly release: string;
  readonly imagePath: string;
  readonly image: KernelImage;
  /** Present when a device tree was asked for. */
  readonly dtb?: TreeDtb;
  /** Absent when nothing tells it. */
  readonly kconfig?: Kconfig;
}
