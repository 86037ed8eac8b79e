/**
 * The kernel of a root file system that may lie in one of several places: in the root, or on a boot partition
 * beside it. The modules are always the root's, so that a kernel fits by its release or not at all. Its device
 * tree may lie in another place than itself: Debian's are in the root, and only the kernel is in /boot.
 */
import { type ErrorKind, FastboopError } from "../../errors/errors.ts";
import type { FileTree } from "../../sources/file_tree.ts";
import type { TreeDtb } from "../kernel_tree.ts";
import { findRootDtb } from "./find_root_dtb.ts";
import { findRootKernel, type FindRootKernelOptions, type RootKernel } from "./find_root_kernel.ts";
import { searchBudget } from "./search_budget.ts";

export interface KernelPlace {
  /** For people: `partition 1 "boot"`. */
  readonly name: string;
  /** Gives the same tree every time; closing it is nobody's business here. */
  openTree(): Promise<FileTree>;
}

export interface FindKernelAmongOptions extends FindRootKernelOptions {
  modulesTree: FileTree;
  /** Asks for the device tree of that board: `qcom/sdm845-oneplus-fajita`. */
  devicetreeName?: string | undefined;
  /** The only tree where device trees are looked for; absent: every place. */
  dtbsTree?: FileTree | undefined;
  /** Where they lie, or the one to take; absent: searched for. */
  dtbsPath?: string | undefined;
}

export interface PlacedKernel extends RootKernel {
  /** The name of the place it was found in. */
  readonly place: string;
  readonly dtb?: TreeDtb;
  readonly dtbPlace?: string;
}

/** Nothing is there that can be used. */
const NOT_FOUND: ReadonlySet<ErrorKind> = new Set<ErrorKind>(["not-found", "tree"]);
/** A place after the first is a guess: one that cannot be read leaves the others. */
const NOT_READ: ReadonlySet<ErrorKind> = new Set<ErrorKind>(["corrupt", "unsupported", "limit"]);

/**
 * Takes the kernel of the first place that has one that fits, as findRootKernel(), then its device tree: from
 * that place, else from the first other one.
 *
 * @param places one at least, in the order of trust, iterated as often as need be; each is opened when its turn comes.
 * @throws {FastboopError} what findRootKernel() and findRootDtb() throw, of several places listed together.
 */
export async function findKernelAmong(
  places: AsyncIterable<KernelPlace>,
  options: FindKernelAmongOptions,
): Promise<PlacedKernel> {
  const budget = searchBudget();
  const { place, found: kernel, failures } = await firstOf(
    places,
    (tree) => findRootKernel(tree, { ...options, budget }),
  );
  const dtb = await findDtb(places, place, kernel.release, options);
  const fitless = failures.filter(({ error }) => error.kind !== "not-found");
  return {
    ...kernel,
    place: place.name,
    passedOver: [
      ...kernel.passedOver,
      ...fitless.map(({ name, error }) => `${name}: ${error.state}`),
    ],
    ...(dtb === undefined ? {} : { dtb: dtb.found, dtbPlace: dtb.place.name }),
  };
}

async function findDtb(
  places: AsyncIterable<KernelPlace>,
  first: KernelPlace,
  release: string,
  { devicetreeName: name, dtbsTree, dtbsPath: path, signal }: FindKernelAmongOptions,
): Promise<Found<TreeDtb> | undefined> {
  if (name === undefined) return undefined;
  const wanted = { name, release, path, signal };
  if (dtbsTree === undefined) {
    return await firstOf(beginningWith(first, places), (tree) => findRootDtb(tree, wanted));
  }
  const place = { name: first.name, openTree: () => Promise.resolve(dtbsTree) };
  return { place, found: await findRootDtb(dtbsTree, wanted), failures: [] };
}

async function* beginningWith(
  first: KernelPlace,
  places: AsyncIterable<KernelPlace>,
): AsyncGenerator<KernelPlace> {
  yield first;
  for await (const place of places) if (place.name !== first.name) yield place;
}

interface Failure {
  readonly name: string;
  readonly error: FastboopError;
}

interface Found<T> {
  readonly place: KernelPlace;
  readonly found: T;
  readonly failures: readonly Failure[];
}

async function firstOf<T>(
  places: AsyncIterable<KernelPlace>,
  find: (tree: FileTree) => Promise<T>,
): Promise<Found<T>> {
  const failures: Failure[] = [];
  for await (const place of places) {
    try {
      return { place, found: await find(await place.openTree()), failures };
    } catch (error) {
      if (!(error instanceof FastboopError)) throw error;
      const isPassed = NOT_FOUND.has(error.kind) || failures.length > 0 && NOT_READ.has(error.kind);
      if (!isPassed) throw error;
      failures.push({ name: place.name, error });
    }
  }
  throw allOf(failures);
}

/** One error for all places; that of the first one where there is no other. */
function allOf(failures: readonly Failure[]): FastboopError {
  const first = failures[0]!.error;
  if (failures.length === 1) return first;
  const { action, hint } = first;
  const lines = failures.map(({ name, error }) =>
    `  ${name}: ${error.state}`.replaceAll("\n", "\n  ")
  );
  return new FastboopError({
    kind: failures.some(({ error }) => error.kind === "tree") ? "tree" : "not-found",
    action,
    state: ["none of these places has one that fits", ...lines].join("\n"),
    ...(hint === undefined ? {} : { hint }),
  });
}
