/** Where the kernel of a boot comes from: a build tree, or the root file system itself. */
import type { BootKernel } from "../kernel/boot_kernel.ts";
import type { DeviceProfile } from "../profiles/device_profile.ts";
import type { PreparedModules } from "./prepare_kernel.ts";

/** A kernel for one device. */
export interface PreparedKernel {
  readonly tree: BootKernel;
  /** Undefined for a kernel without modules. */
  readonly modules: PreparedModules | undefined;
}

export interface KernelSource extends AsyncDisposable {
  /** The kernel for a device of this profile, checked; asked for when the phone said who it is. */
  kernelFor(profile: DeviceProfile): Promise<PreparedKernel>;
  /** The boot image is made: gives back what serving the phone does not need. */
  letGoOfKernel(): Promise<void>;
}
