/**
 * The builds of one tree, one after the other: each is prepared while the phone runs the one before, in a
 * run directory of its own, so that what the running phone reads is never replaced under it. Modules that
 * did not change go over to the next build as they are.
 */
import { createHash } from "node:crypto";
import { FastboopError } from "../errors/errors.ts";
import { digestModules } from "../kernel/digest_modules.ts";
import type { KernelTree } from "../kernel/kernel_tree.ts";
import { RunDirectory } from "../kernel/run_directory.ts";
import type { Clock } from "../sources/clock.ts";
import type { Rootfs } from "./open_rootfs.ts";
import {
  type ModulesRequest,
  type PreparedModules,
  prepareModules,
  type PrepareOptions,
} from "./prepare_kernel.ts";
import { treeProbe } from "./tree_probe.ts";
import { type TreeLook, watchTree, type WatchTreeOptions } from "./watch_tree.ts";

/** One build of the tree, ready to be booted. Whoever holds it disposes of it. */
export interface Build {
  /** From 1 on. */
  readonly number: number;
  readonly tree: KernelTree;
  readonly modules: PreparedModules | undefined;
}

export interface BuildLineOptions extends PrepareOptions {
  rootfs: Rootfs;
  request: ModulesRequest;
  /** Finds and checks the tree as it is now. */
  check: () => Promise<KernelTree>;
  /** Where the device tree is, once `check` has found it. */
  dtbPath: () => string | undefined;
  clock: Clock;
  watch?: Pick<WatchTreeOptions, "pollMs" | "stableMs" | "deepEvery">;
}

interface Installed extends AsyncDisposable {
  readonly modules: PreparedModules;
  readonly digest: string;
  users: number;
}

interface HeldBuild extends Build {
  readonly look: TreeLook;
  readonly key: string;
  readonly installed: Installed | undefined;
  users: number;
}

export class BuildLine implements AsyncDisposable {
  readonly #options: BuildLineOptions;
  #latest: HeldBuild;
  #preparing: Promise<void> | undefined;
  #changed = Promise.withResolvers<void>();
  readonly #stop = new AbortController();
  readonly #watching: Promise<void>;

  private constructor(options: BuildLineOptions, first: HeldBuild) {
    this.#options = options;
    this.#latest = first;
    this.#watching = this.#watch();
    this.#watching.catch((error) => {
      options.progress.warn(`the kernel tree is not watched any more: ${error.message}`);
      this.#changed.reject(error);
    });
    this.#changed.promise.catch(() => {});
  }

  /** Prepares the first build and begins to watch. */
  static async start(options: BuildLineOptions): Promise<BuildLine> {
    return new BuildLine(options, await prepareBuild(options, undefined));
  }

  /** Takes hold of the newest build; one that is just being prepared is waited for. */
  async take(): Promise<Build> {
    // One that fails is told by the watcher, and the build before stays.
    await this.#preparing?.catch(() => {});
    this.#latest.users++;
    return this.#latest;
  }

  /** Lets go of a build: what nobody holds any more is removed. */
  async release(build: Build): Promise<void> {
    await letGo(build as HeldBuild);
  }

  /** Settles when there is a newer build; rejects when watching has failed. */
  async newerThan(build: Build): Promise<void> {
    while (this.#latest.number <= build.number) await this.#changed.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#watching.catch(() => {});
    await letGo(this.#latest);
  }

  async #watch(): Promise<void> {
    const { progress, clock, check, dtbPath, watch } = this.#options;
    const signal = AbortSignal.any([this.#options.signal, this.#stop.signal]);
    let since = this.#latest.look;
    while (!signal.aborted) {
      try {
        since = await watchTree(treeProbe(this.#latest.tree, check, dtbPath), since, {
          ...{ ...watch, clock, signal },
          onChange: () => progress.note("the kernel tree has changed; waiting for make to finish"),
          onNotReady: (why) => progress.note(`the tree cannot be booted yet: ${firstLine(why)}`),
        });
        this.#preparing = this.#advance(signal).finally(() => this.#preparing = undefined);
        await this.#preparing;
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof FastboopError) || error.kind !== "tree") throw error;
        progress.warn(`${error.message}; the build before stays in use`);
      }
    }
  }

  async #advance(signal: AbortSignal): Promise<void> {
    const { progress } = this.#options;
    const before = this.#latest;
    const next = await prepareBuild({ ...this.#options, signal }, before);
    if (next.key === before.key) {
      await letGo(next);
      progress.note("the rebuilt tree gives the same kernel and modules: nothing to do");
      return;
    }
    this.#latest = next;
    const what = next.installed === before.installed ? "the modules are unchanged" : "with modules";
    progress.phase(`Build ${next.number} is ready (${next.tree.release}, ${what})`);
    progress.note("restart the phone into fastboot mode to boot it: hold its keys, or run there:");
    progress.note("  reboot bootloader");
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
    this.#changed.promise.catch(() => {});
    await letGo(before);
  }
}

async function prepareBuild(
  options: BuildLineOptions,
  before: HeldBuild | undefined,
): Promise<HeldBuild> {
  const { env, signal, check, dtbPath } = options;
  const tree = await check();
  // Before anything is read of the modules: what changes from here on is the next build.
  const look = await treeProbe(tree, check, dtbPath).look(true);
  const digest = await digestModules(tree.outDir, { env, signal });
  const installed = await modulesOf(tree, digest, before?.installed, options);
  const key = [sha256(tree.image.bytes), digest, tree.dtb && sha256(tree.dtb.bytes), tree.release]
    .join(" ");
  return {
    ...{ number: (before?.number ?? 0) + 1, tree, modules: installed?.modules },
    ...{ look, key, installed, users: 1 },
  };
}

async function modulesOf(
  tree: KernelTree,
  digest: string | undefined,
  before: Installed | undefined,
  options: BuildLineOptions,
): Promise<Installed | undefined> {
  if (digest === undefined) return undefined;
  const isSame = before?.digest === digest &&
    before.modules.directory === `usr/lib/modules/${tree.release}`;
  if (before !== undefined && isSame) {
    before.users++;
    return before;
  }
  await using stack = new AsyncDisposableStack();
  const run = stack.use(await RunDirectory.create());
  // A copy, made by make: what is read straight from the tree changes under the running phone.
  const modules = await prepareModules(tree, options.request, options, run.path);
  if (modules === undefined) return undefined;
  stack.use(modules.tree);
  stack.use(modules.image);
  const held = stack.move();
  return { modules, digest, users: 1, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

async function letGo(build: HeldBuild): Promise<void> {
  if (--build.users > 0 || build.installed === undefined) return;
  if (--build.installed.users === 0) await build.installed[Symbol.asyncDispose]();
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function firstLine(text: string): string {
  return text.split("\n").find((line) => line.trim() !== "")?.trim() ?? text;
}
