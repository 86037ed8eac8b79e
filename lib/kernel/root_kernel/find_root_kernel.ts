/**
 * The kernel that a tree brings: its image, modules and configuration, all of one release, which the image
 * itself tells.
 *
 * Of several kernels the newest one by compareReleases() is taken that has modules in the root. Files whose
 * names hold a release with modules that is not above one already found are not read: names only say what
 * need not be looked at. Places: list_kernels.ts, find_root_kconfig.ts. Device trees may lie elsewhere:
 * find_kernel_among.ts.
 */
import { FastboopError } from "../../errors/errors.ts";
import type { FileTree } from "../../sources/file_tree.ts";
import type { Arch } from "../arch.ts";
import type { BootKernel } from "../boot_kernel.ts";
import type { Kconfig } from "../kconfig.ts";
import { compareReleases } from "./compare_releases.ts";
import { findRootKconfig } from "./find_root_kconfig.ts";
import { type KernelFile, listKernels, namedKernel } from "./list_kernels.ts";
import { lookAtKernel, type SeenKernel } from "./look_at_kernel.ts";
import { modulesDirectories } from "./modules_directories.ts";
import { type SearchBudget, searchBudget } from "./search_budget.ts";

export interface FindRootKernelOptions {
  arch: Arch;
  /** The image to take, by its path in the tree; absent: searched for. */
  kernelPath?: string | undefined;
  /** The release to take. */
  release?: string | undefined;
  /** Tree that holds the modules, when the kernel's is another one: that of a boot partition. */
  modulesTree?: FileTree | undefined;
  /** What the search may still spend, where it goes through several trees. */
  budget?: SearchBudget;
  signal?: AbortSignal | undefined;
}

export interface RootKernel extends Omit<BootKernel, "dtb"> {
  /** Of its release, without links; absent where the root has no modules at all. */
  readonly modulesDirectory?: string;
  /** Kernels that were passed over, with the reason. */
  readonly passedOver: readonly string[];
}

/**
 * Finds the kernel of `tree`.
 *
 * @throws {FastboopError} `not-found` with everything that was looked at; `tree` when no kernel fits the
 * modules, naming the releases of both; `corrupt`, `limit`, `source` from the tree; `cancelled`.
 */
export async function findRootKernel(
  tree: FileTree,
  options: FindRootKernelOptions,
): Promise<RootKernel> {
  const { arch, signal, budget = searchBudget() } = options;
  const modulesTree = options.modulesTree ?? tree;
  const modules = await modulesDirectories(modulesTree);
  const choice = new Choice(modules, options.release);
  for (const file of await candidates(tree, modules, options)) {
    if (choice.isSettled(file)) continue;
    if (budget.brokenLeft <= 0 || budget.leftBytes <= 0) {
      choice.refuse(file, "not looked at: those before it were broken, or too large all together");
      break;
    }
    try {
      choice.offer(await lookAtKernel(tree, file, arch, budget, signal));
    } catch (error) {
      if (!(error instanceof FastboopError) || !OF_THE_FILE.has(error.kind)) throw error;
      choice.refuse(file, error.state);
      if (BROKEN.has(error.kind)) budget.brokenLeft--;
    }
  }
  const { seen, modulesDirectory } = choice.take(lookedIn(tree, options));
  const image = await seen.load();
  const { release } = seen;
  const kconfig: Kconfig | undefined = await findRootKconfig(
    [...new Set([tree, modulesTree])],
    { release, image, imagePath: seen.file.path, modulesDirectory, signal },
  );
  return {
    arch,
    release,
    imagePath: seen.file.path,
    image,
    ...(modulesDirectory === undefined ? {} : { modulesDirectory }),
    ...(kconfig === undefined ? {} : { kconfig }),
    passedOver: choice.passedOver,
  };
}

/** What is wrong with one file leaves the others; a server that fails, or the user's stop, does not. */
const OF_THE_FILE = new Set(["corrupt", "unsupported", "limit", "tree"]);
/** Images looked at, at most. */
const MAX_LOOKS = 24;
const BROKEN = new Set(["corrupt", "limit"]);

async function candidates(
  tree: FileTree,
  modules: ReadonlyMap<string, string>,
  { kernelPath, release, modulesTree }: FindRootKernelOptions,
): Promise<KernelFile[]> {
  if (kernelPath !== undefined) {
    const file = await namedKernel(tree, kernelPath);
    if (file !== undefined) return [file];
    const action = `Use kernel "${kernelPath}" of the root file system`;
    throw new FastboopError({ kind: "not-found", action, state: "there is no such file" });
  }
  const files = modulesTree === undefined || modulesTree === tree
    ? await listKernels(tree, modules)
    : await listKernels(tree, await modulesDirectories(tree), modules);
  const rank = ({ named }: KernelFile) => named === undefined ? 1 : named === release ? 2 : 0;
  // With no release asked for, the names' own order finds the newest first.
  const byName = (a: KernelFile, b: KernelFile) =>
    a.named === undefined || b.named === undefined ? 0 : compareReleases(b.named, a.named);
  const sorted = release === undefined
    ? [
      ...files.filter(({ named }) => named !== undefined).sort(byName),
      ...files.filter(({ named }) => named === undefined),
    ]
    : files.sort((a, b) => rank(b) - rank(a));
  return sorted.slice(0, MAX_LOOKS);
}

function lookedIn(
  tree: FileTree,
  { kernelPath, modulesTree = tree }: FindRootKernelOptions,
): string | undefined {
  if (kernelPath !== undefined) return undefined;
  return modulesTree === tree ? "boot, efi, usr/lib/modules and lib/modules" : "all its folders";
}

/** Which of the kernels seen so far is the one. */
class Choice {
  readonly passedOver: string[] = [];
  readonly #refused: string[] = [];
  /** Kernels that are whole, whether they can be used or not. */
  readonly #seen: SeenKernel[] = [];
  #best: SeenKernel | undefined;

  constructor(
    readonly modules: ReadonlyMap<string, string>,
    readonly release: string | undefined,
  ) {}

  /** Whether a look at the file could not change the choice. */
  isSettled({ named }: KernelFile): boolean {
    if (this.#best === undefined) return false;
    if (this.release !== undefined) return true;
    return named !== undefined && this.modules.has(named) &&
      compareReleases(named, this.#best.release) <= 0;
  }

  offer(seen: SeenKernel): void {
    this.#seen.push(seen);
    const { release, file } = seen;
    if (this.release !== undefined && release !== this.release) return;
    if (this.modules.size > 0 && !this.modules.has(release)) {
      this.passedOver.push(`${file.shownPath} is ${release}, which has no modules here`);
      return;
    }
    if (this.#best === undefined || compareReleases(release, this.#best.release) > 0) {
      this.#best = seen;
    }
  }

  refuse(file: KernelFile, state: string): void {
    this.#refused.push(`${file.shownPath}: ${state}`);
    this.passedOver.push(`${file.shownPath}: ${state}`);
  }

  /** @param lookedIn the places, where a search was made. */
  take(lookedIn: string | undefined): {
    seen: SeenKernel;
    modulesDirectory: string | undefined;
  } {
    const seen = this.#best;
    if (seen !== undefined) {
      return { seen, modulesDirectory: this.modules.get(seen.release) };
    }
    throw this.#error(lookedIn);
  }

  #error(lookedIn: string | undefined): FastboopError {
    const kernels = this.#seen.map(({ release, file }) => `${release} (${file.shownPath})`);
    const action = "Find the kernel of the root file system";
    const hint =
      "Pass --kernel=DIR with a built kernel tree, or give a boot profile that says where the kernel is";
    const wanted = this.release;
    if (kernels.length > 0 && (wanted === undefined || this.#holds(wanted))) {
      const state = `the modules are those of ${[...this.modules.keys()].join(", ")}, ` +
        `the ${kernels.length === 1 ? "kernel is" : "kernels are"} ${kernels.join(", ")}`;
      return new FastboopError({ kind: "tree", action, state, hint });
    }
    const lines = [
      wanted === undefined
        ? "there is none that can be used"
        : `there is none of release ${wanted}`,
      ...kernels.map((kernel) => `  ${kernel}`),
      ...this.#refused.map((line) => `  ${line}`),
    ];
    if (lines.length === 1 && lookedIn !== undefined) lines[0] += `; looked in ${lookedIn}`;
    return new FastboopError({ kind: "not-found", action, state: lines.join("\n"), hint });
  }

  #holds(release: string): boolean {
    return this.#seen.some((seen) => seen.release === release);
  }
}
