/**
 * What is known about all modules of one release: the answers of modules.dep, modules.softdep,
 * modules.alias and modules.builtin*, whoever computed them. All names are folded (module_name.ts).
 */
import type { Softdep } from "./softdep.ts";

/** One module file. */
export interface IndexedModule {
  readonly name: string;
  /** Relative to the release's directory: `kernel/fs/erofs/erofs.ko`. */
  readonly path: string;
  /** Names of all it needs, direct or not, in load order. */
  readonly dependencies: readonly string[];
}

/** One line of modules.alias. */
export interface ModuleAlias {
  /** As stored, for writing it again. */
  readonly pattern: string;
  readonly module: string;
}

export interface ModuleIndex {
  /** The release's directory in the tree it was read from: `usr/lib/modules/6.12.3`. */
  readonly directory: string;
  readonly modules: ReadonlyMap<string, IndexedModule>;
  readonly softdeps: ReadonlyMap<string, Softdep>;
  /** Names or aliases that a module may ask the kernel for while it runs; none where nobody wrote them. */
  readonly weakdeps?: ReadonlyMap<string, readonly string[]>;
  readonly aliases: readonly ModuleAlias[];
  /** Names that are part of the kernel image, and the aliases they answer to. */
  readonly builtin: ReadonlySet<string>;
  readonly builtinAliases: readonly string[];
  /** `depmod`: its files were there. `modinfo`: computed from the modules themselves. */
  readonly origin: "depmod" | "modinfo";
  /** What depmod would have written, by file name; absent when it did. */
  readonly files?: ReadonlyMap<string, Uint8Array>;
}
