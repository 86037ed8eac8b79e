/**
 * `boot --kernel --watch`: the phone is served while the tree is built anew, and whenever it is back in
 * fastboot mode it gets the newest build. Nothing is done twice: a boot image is made once for a build and
 * phone, modules that did not change are not installed again.
 */
import { cancelled, FastboopError } from "../errors/errors.ts";
import type { KernelTree } from "../kernel/kernel_tree.ts";
import type { DeviceProfile } from "../profiles/device_profile.ts";
import { type Clock, systemClock } from "../sources/clock.ts";
import type { UsbBus } from "../usb/link.ts";
import { assembleBootImage, assembleInitramfs, type Identity } from "./assemble.ts";
import { bootAdditions } from "./boot_additions.ts";
import { type Build, BuildLine, type BuildLineOptions } from "./build_line.ts";
import { checkFiles } from "./check_files.ts";
import { deviceProfiles } from "./device_profiles.ts";
import { exportsOf } from "./exports_of.ts";
import { findBootloader } from "./find_bootloader.ts";
import { type BootImageParts, handOver } from "./hand_over.ts";
import { identityOf, isUsableSerial } from "./identity_of.ts";
import { openBus } from "./open_bus.ts";
import { type BootInput, openInput } from "./open_input.ts";
import type { Rootfs } from "./open_rootfs.ts";
import { checkTree } from "./prepare_kernel.ts";
import type { PhoneRequest, TreeRequest } from "./request.ts";
import type { Reader } from "../sources/reader.ts";
import type { BootOptions } from "./run.ts";
import { servePhone } from "./serve_phone.ts";

/** make must run again for every build, so the right to start programs is kept. */
export interface BootLoopOptions extends Omit<BootOptions, "onPrepared" | "request"> {
  request: TreeRequest;
  clock?: Clock;
  watch?: BuildLineOptions["watch"];
}

/** The one phone of this run, once it was seen. */
interface Phone {
  readonly profile: DeviceProfile;
  readonly identity: Identity;
  /** How to find it again. */
  readonly request: PhoneRequest;
}

/**
 * Boots a phone and serves it, again and again, until the signal stops it.
 *
 * @throws {FastboopError} as boot(); `cancelled` is the normal end.
 */
export async function bootLoop(options: BootLoopOptions): Promise<never> {
  const { request, progress, signal } = options;
  await checkFiles(request);
  await using bus = await openBus(options.phone.usb);
  await using input = await openInput(request, options);
  const { rootfs } = input;
  const profiles = deviceProfiles(options.profiles, input, request);
  let profile = request.deviceProfile === undefined ? undefined : profiles[0];
  let dtbPath: string | undefined;
  // The phone tells its profile, and so its device tree, when the first build is done.
  const check = async (known?: KernelTree) => {
    const tree = await checkTree(request, rootfs, profile, { ...options, known });
    dtbPath = tree.dtb?.path;
    return tree;
  };
  progress.phase("Checking the kernel tree");
  await using builds = await BuildLine.start({
    ...{ rootfs, request, check, env: options.env, progress, signal },
    dtbPath: () => dtbPath,
    clock: options.clock ?? systemClock,
    ...(options.watch === undefined ? {} : { watch: options.watch }),
  });
  const images = new ImageShelf(input, options, check);
  let phone: Phone | undefined;
  for (;;) {
    const found = await findAgain(bus, phone, { ...options, profiles });
    phone = found.phone;
    profile = phone.profile;
    const build = await builds.take();
    try {
      await using link = found.link;
      progress.phase(`Booting build ${build.number}`);
      await handOver(link, await images.imageOf(build, phone), { bus, progress, signal });
      const wasServed = await serveBuild(bus, rootfs, build, phone, options);
      // A kernel that never came up would only fail again.
      if (!wasServed) await waitForNewer(builds, build, options);
    } catch (error) {
      if (!(error instanceof FastboopError) || error.kind !== "lost") throw error;
      progress.warn(`${error.message}; waiting for the phone in fastboot mode`);
    } finally {
      await builds.release(build);
    }
  }
}

async function findAgain(bus: UsbBus, known: Phone | undefined, options: BootLoopOptions) {
  const { progress, signal } = options;
  const found = await findBootloader(bus, {
    profiles: known === undefined ? options.profiles : [known.profile],
    request: known?.request ?? options.phone,
    ...{ progress, signal },
  });
  if (known !== undefined) return { link: found.link, phone: known };
  const { info } = found.link;
  const request = {
    ...options.phone,
    waitMs: undefined,
    ...(isUsableSerial(info.serial) ? { serial: info.serial } : { path: info.path }),
  };
  const phone = { profile: found.profile, identity: identityOf(info), request };
  return { link: found.link, phone };
}

/** Serves until the phone is back in its bootloader; tells whether it ever read its root. */
async function serveBuild(
  bus: UsbBus,
  rootfs: Rootfs,
  build: Build,
  { identity }: Phone,
  { progress, signal }: BootLoopOptions,
): Promise<boolean> {
  const root = new NotedReader(rootfs.reader);
  try {
    return await servePhone({
      ...{ bus, identity, progress, signal },
      exports: exportsOf({ rootfs: { ...rootfs, reader: root }, modules: build.modules }),
    });
  } catch (error) {
    if (!(error instanceof FastboopError) || error.kind !== "lost") throw error;
    progress.phase("The phone has left its system");
    progress.note(error.state);
    return root.wasRead;
  }
}

async function waitForNewer(
  builds: BuildLine,
  build: Build,
  { progress, signal }: BootLoopOptions,
): Promise<void> {
  progress.warn(`build ${build.number} did not come up; waiting for the tree to be built anew`);
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(cancelled("Wait for a new build", signal));
  signal.addEventListener("abort", stop);
  try {
    if (signal.aborted) stop();
    await Promise.race([builds.newerThan(build), promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Boot images by build: the newest is kept, for a phone that restarts without a new build. */
class ImageShelf {
  #build: Build | undefined;
  #image: BootImageParts | undefined;

  constructor(
    readonly input: BootInput,
    readonly options: BootLoopOptions,
    readonly check: (known: KernelTree) => Promise<KernelTree>,
  ) {}

  async imageOf(build: Build, { profile, identity }: Phone): Promise<BootImageParts> {
    if (this.#image !== undefined && this.#build === build) return this.#image;
    const { rootfs, bootProfile } = this.input;
    const { request, env, progress, signal } = this.options;
    const { dtb } = await this.check(build.tree);
    const tree = dtb === undefined ? build.tree : { ...build.tree, dtb };
    const device = { id: profile.id, serial: identity.serial };
    const parts = {
      ...{ request, rootfs, tree, modules: build.modules, profile, identity, env, signal },
      additions: await bootAdditions(bootProfile, request, device),
      onWarning: progress.warn,
    };
    const { bytes } = await assembleInitramfs(parts);
    this.#image = await assembleBootImage(parts, bytes);
    this.#build = build;
    return this.#image;
  }
}

/** Notes whether somebody read. Closing is left to the owner. */
class NotedReader implements Reader {
  readonly sizeBytes: number;
  readonly identity: string;
  wasRead = false;

  constructor(readonly inner: Reader) {
    this.sizeBytes = inner.sizeBytes;
    this.identity = inner.identity;
  }

  readAt(...args: Parameters<Reader["readAt"]>): Promise<void> {
    this.wasRead = true;
    return this.inner.readAt(...args);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
