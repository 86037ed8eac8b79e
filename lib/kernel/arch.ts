/** The architectures we boot, and what kbuild, ELF and the GNU toolchains call them. */
export type Arch = "x86_64" | "aarch64";

/** One architecture in the words of the tools around it. */
export interface ArchFacts {
  /** Value of `ARCH=`, and the word in the head line of `.config`. */
  readonly make: "x86_64" | "arm64";
  /** Directory below `arch/`. */
  readonly directory: "x86" | "arm64";
  /** e_machine of its ELF files (include/uapi/linux/elf-em.h). */
  readonly elfMachine: number;
  /** Kconfig symbol that is `y` exactly on it. */
  readonly symbol: "X86_64" | "ARM64";
  /** Boot images below `arch/<directory>/boot/` that we read. */
  readonly images: readonly string[];
  /** The make target that builds the first of them. */
  readonly imageTarget: "bzImage" | "Image.gz";
  /** Prefix of the usual GNU cross toolchain. */
  readonly gnuPrefix: string;
}

/** Facts by architecture. */
export const ARCHES: Readonly<Record<Arch, ArchFacts>> = {
  x86_64: {
    make: "x86_64",
    directory: "x86",
    elfMachine: 62,
    symbol: "X86_64",
    images: ["bzImage"],
    imageTarget: "bzImage",
    gnuPrefix: "x86_64-linux-gnu-",
  },
  aarch64: {
    make: "arm64",
    directory: "arm64",
    elfMachine: 183,
    symbol: "ARM64",
    images: ["Image.gz", "Image", "vmlinuz.efi"],
    imageTarget: "Image.gz",
    gnuPrefix: "aarch64-linux-gnu-",
  },
};
