/** The FILE of the image verbs: a path, a URL or a boot profile -> an image open in a worker of its own. */
import { openImageWorker } from "../filesystems/worker/open_image_worker.ts";
import type { OpenedImage } from "../filesystems/open_image.ts";
import type { ImageSpec } from "../filesystems/worker/open_image_worker.ts";
import { cancelled, FastboopError } from "../errors/errors.ts";
import type { FileLeaf } from "../images/pipeline/open_pipeline.ts";
import { formatOf } from "../images/unwrap.ts";
import { XzPool } from "../images/xz/xz_pool.ts";
import { openChunkStore } from "../sources/chunk_store.ts";
import { openSource } from "../sources/open.ts";
import type { Reader } from "../sources/reader.ts";
import { spillFilesIn } from "../sources/spill_file.ts";
import type { CommandContext, Options } from "./command.ts";

/** Main's own cache of a URL; the worker has one besides. */
const CACHE = { capacityBytes: 16 << 20 };
/** Decoded images are larger than a /tmp in memory likes. */
const SPILL_DIRECTORY = "/var/tmp";
/** Largest boot profile read. */
const PROFILE_BYTES = 16 << 20;

/** Opens the image, runs `body` and closes everything, however it ends. */
export async function withImage<T>(
  word: string,
  options: Options,
  { signal }: CommandContext,
  body: (image: OpenedImage) => Promise<T>,
): Promise<T> {
  const open = (spec: string) => openSource(spec, { signal, cache: CACHE });
  await using pool = new XzPool();
  await using worker = openImageWorker({
    openLeaf: (leaf: FileLeaf) => open(leaf.kind === "http" ? leaf.url : leaf.path),
    openChunkStore: (location) => openChunkStore(location),
    decodeXz: pool.decode,
    // The environment is asked only when something must be kept.
    spill: () => spillFilesIn(Deno.env.get("TMPDIR") || SPILL_DIRECTORY)(),
  });
  const spec = /\.caibx$/i.test(word.replace(/[?#].*$/, ""))
    ? { pipeline: { kind: "casync" as const, index: word } }
    : await specOf(await open(word), word, signal);
  // All that waits for the image ends with it, also where its source does not answer.
  const stop = () => void Promise.resolve(worker[Symbol.asyncDispose]()).catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  const partition = options["partition"];
  const entry = options["entry"];
  try {
    await using image = await worker.open(spec, {
      purpose: "inspect",
      signal,
      ...(typeof partition === "string" ? { partition } : {}),
      ...(typeof entry === "string" ? { entry } : {}),
    });
    return await body(image);
  } catch (error) {
    throw signal.aborted ? cancelled("Read the image", signal) : error;
  } finally {
    signal.removeEventListener("abort", stop);
    if ("leaf" in spec) await spec.leaf[Symbol.asyncDispose]();
  }
}

/** A boot profile stands for its rootfs. */
async function specOf(leaf: Reader, word: string, signal: AbortSignal): Promise<ImageSpec> {
  try {
    const isManifest = /\.ya?ml$/i.test(word);
    if (!isManifest && await formatOf(leaf, signal) !== "boot-profile") return { leaf };
    const bytes = await readWhole(leaf, word, signal);
    if (isManifest) {
      const { parseBootProfile } = await import("../profiles/boot/parse_boot_profile.ts");
      // Overlays are the phone's business.
      const readOverlay = () => Promise.resolve(new Uint8Array());
      const text = new TextDecoder().decode(bytes);
      const profile = await parseBootProfile(text, word, { readOverlay });
      return await closing(leaf, { pipeline: profile.rootfs.pipeline });
    }
    const { parseChannel } = await import("../profiles/boot/parse_channel.ts");
    const { bootProfiles, hints } = parseChannel(bytes, word);
    return await closing(leaf, { pipeline: bootProfiles[0]!.rootfs.pipeline, hints });
  } catch (error) {
    await leaf[Symbol.asyncDispose]();
    throw error;
  }
}

async function closing(leaf: Reader, spec: ImageSpec): Promise<ImageSpec> {
  await leaf[Symbol.asyncDispose]();
  return spec;
}

async function readWhole(
  leaf: Reader,
  word: string,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  if (leaf.sizeBytes > PROFILE_BYTES) {
    const state = `it has ${leaf.sizeBytes} bytes, the limit is ${PROFILE_BYTES}`;
    throw new FastboopError({ kind: "limit", action: `Read the boot profile "${word}"`, state });
  }
  const bytes = new Uint8Array(leaf.sizeBytes);
  await leaf.readAt(0, bytes, { signal });
  return bytes;
}
