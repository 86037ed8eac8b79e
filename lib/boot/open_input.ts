/**
 * What the user named -> what is booted: a bare image, one in containers, or a boot profile and the images its
 * pipelines lead to.
 */
import { printable } from "../bytes/printable.ts";
import { formatSize } from "../bytes/size.ts";
import { FastboopError } from "../errors/errors.ts";
import type { OpenedImage } from "../filesystems/open_image.ts";
import type { Hint } from "../images/pipeline/hints.ts";
import { WindowReader } from "../images/window_reader.ts";
import type { ArtifactFile, ArtifactSource } from "../profiles/boot_profile.ts";
import type { FileTree } from "../sources/file_tree.ts";
import type { Reader } from "../sources/reader.ts";
import { LeasedReader } from "../images/leased_reader.ts";
import { type ChannelProfiles, channelProfiles } from "./channel_profiles.ts";
import { closingWith, ImageSources, type ImageSourcesOptions } from "./image_sources.ts";
import { isUrl } from "./is_url.ts";
import { openRootfs, type Rootfs, rootfsOf } from "./open_rootfs.ts";
import { type ChannelContent, readChannel } from "./read_channel.ts";
import { refuseLocalFiles } from "./refuse_local_files.ts";
import type { BootRequest } from "./request.ts";

/** Files that a boot profile takes from an image of their own. */
export interface PlacedFiles {
  /** A file or folder there. */
  readonly path: string;
  openTree(): Promise<FileTree>;
}

export interface BootInput extends ChannelProfiles, AsyncDisposable {
  readonly rootfs: Rootfs;
  readonly kernel?: PlacedFiles;
  readonly dtbs?: PlacedFiles;
}

type InputRequest = Pick<BootRequest, "rootfs" | "bootProfile" | "deviceProfile" | "partition">;

/**
 * Opens what the request names up to the root file system; kernel and device trees of a boot profile are opened
 * when they are asked for.
 *
 * @throws {FastboopError} `not-found`, `source`, `permission`; `usage` when no partition or boot profile can be
 * chosen; `unsupported` when no root file system is found; what the containers throw.
 */
export async function openInput(
  request: InputRequest,
  options: ImageSourcesOptions,
): Promise<BootInput> {
  options.progress.phase("Opening the root image");
  await using stack = new AsyncDisposableStack();
  const sources = stack.use(new ImageSources(options));
  const named = new LeasedReader(stack.use(await sources.open(request.rootfs)));
  const channel = await readChannel(named, request.rootfs, options.signal);
  const profiles = channelProfiles(channel, request, options.progress.warn);
  const opened = channel === undefined
    ? { rootfs: await openRootfs(named, sources, request, options.signal) }
    : await openChannel(channel, profiles, named, sources, request, options);
  stack.use(opened.rootfs.reader);
  const { filesystem, reader } = opened.rootfs;
  options.progress.note(`${filesystem}, ${formatSize(reader.sizeBytes)}`);
  const all = stack.move();
  return { ...profiles, ...opened, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

type Opened = Pick<BootInput, "rootfs" | "kernel" | "dtbs">;

async function openChannel(
  channel: ChannelContent,
  { bootProfile }: ChannelProfiles,
  named: Reader,
  sources: ImageSources,
  request: InputRequest,
  options: ImageSourcesOptions,
): Promise<Opened> {
  const { headBytes } = channel;
  const artifact = headBytes === 0 || headBytes === named.sizeBytes ? undefined : new WindowReader(
    named,
    { offsetBytes: headBytes, sizeBytes: named.sizeBytes - headBytes },
  );
  if (bootProfile === undefined) {
    if (artifact === undefined) throw noBootProfile(request.rootfs);
    return { rootfs: await openRootfs(artifact, sources, request, options.signal) };
  }
  if (isUrl(request.rootfs)) refuseLocalFiles(bootProfile);
  options.progress.note(`boot profile ${printable(bootProfile.displayName ?? bootProfile.id)}`);
  const rootfs = artifact === undefined
    ? await openRootPipeline(bootProfile.rootfs, channel.hints, sources, request)
    : await openRootfs(artifact, sources, request, options.signal);
  const placed = (file: ArtifactFile) => placedFiles(file, channel.hints, sources);
  const { kernel, dtbs } = bootProfile;
  return {
    rootfs,
    ...(kernel === undefined ? {} : { kernel: placed(kernel) }),
    ...(dtbs === undefined ? {} : { dtbs: placed(dtbs) }),
  };
}

type Hints = ReadonlyMap<string, readonly Hint[]>;

async function openRootPipeline(
  source: ArtifactSource,
  hints: Hints,
  sources: ImageSources,
  { partition }: InputRequest,
): Promise<Rootfs> {
  if (partition !== undefined) {
    throw new FastboopError({
      kind: "usage",
      action: `Open partition "${printable(partition)}"`,
      state: "the boot profile says where the root file system is",
      hint: "Leave --partition out, or give the disk image itself",
    });
  }
  return await rootfsOf(await openArtifact(source, hints, sources), sources);
}

/** The image a pipeline leads to, which must be what the profile says. */
async function openArtifact(
  { filesystem, isOstree, pipeline }: ArtifactSource,
  hints: Hints,
  sources: ImageSources,
): Promise<OpenedImage> {
  if (isOstree) {
    throw new FastboopError({
      kind: "unsupported",
      action: "Open a file system of the boot profile",
      state: "it holds an OSTree deployment, which stage0 cannot choose from",
      hint: "Export the deployment as an EROFS image",
    });
  }
  const image = await sources.openImage({ pipeline, hints });
  if (image.format === filesystem) return image;
  await image[Symbol.asyncDispose]();
  throw new FastboopError({
    kind: "corrupt",
    action: "Open a file system of the boot profile",
    state: `it is ${image.format ?? "nothing that is recognised"}, the profile says ${filesystem}`,
    hint: "Correct the boot profile",
  });
}

function placedFiles(file: ArtifactFile, hints: Hints, sources: ImageSources): PlacedFiles {
  return {
    path: file.path.replace(/^\/+/, ""),
    openTree: async () => {
      const image = await openArtifact(file, hints, sources);
      try {
        return closingWith(await image.openTree(), image);
      } catch (error) {
        await image[Symbol.asyncDispose]();
        throw error;
      }
    },
  };
}

function noBootProfile(name: string): FastboopError {
  return new FastboopError({
    kind: "unsupported",
    action: `Boot "${printable(name)}"`,
    state: "it holds neither a boot profile nor an image",
    hint: "Compile a manifest with fastboop bootprofile create",
  });
}
